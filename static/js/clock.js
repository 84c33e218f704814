// Keeps "5 minutes ago" true while a page stays open, in the language of the page.
const STEPS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

const words = new Intl.RelativeTimeFormat(document.documentElement.lang || 'en', { numeric: 'auto' })

/** Say how long ago a moment was. */
export function ago(moment, now = Date.now()) {
  const seconds = (moment - now) / 1000
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1]
  return words.format(Math.round(seconds / size), unit)
}

/** Rewrite all relative times now. */
export function refreshClock() {
  for (const element of document.querySelectorAll('time[data-ago]')) {
    const text = ago(new Date(element.dateTime).getTime())
    if (element.textContent !== text) element.textContent = text
  }
}

/** Rewrite all relative times now and twice a minute. */
export function startClock() {
  refreshClock()
  setInterval(refreshClock, 30_000)
}
