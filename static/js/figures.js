// Writes durations, counts and money as the server does, in the language of the page.

const language = document.documentElement.lang || 'en'
const isChinese = language.startsWith('zh')
const STEPS = isChinese
  ? [[1e8, '亿'], [1e4, '万']]
  : [[1e9, 'B'], [1e6, 'M'], [1e3, 'k']]
const SYMBOLS = { USD: '$', EUR: '€', GBP: '£', CNY: '¥', JPY: '¥' }

function number(value, digits) {
  return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
}

function fill(format, values) {
  return format.replace(/%\((\w+)\)s/g, (_, name) => values[name])
}

/** Return `duration(seconds)`, `compact(count)` and `money(amount)` for the words that an element carries. */
export function figures(element) {
  const words = element.dataset
  return {
    duration(seconds) {
      if (seconds === null || seconds === undefined) return '—'
      if (seconds < 10) return fill(words.formatSeconds, { seconds: number(Math.max(0, seconds), 1) })
      const whole = Math.round(seconds)
      if (whole < 60) return fill(words.formatSeconds, { seconds: whole })
      if (whole < 3600) return fill(words.formatMinutes, { minutes: Math.floor(whole / 60), seconds: whole % 60 })
      return fill(words.formatHours, { hours: Math.floor(whole / 3600), minutes: Math.floor((whole % 3600) / 60) })
    },
    compact(value) {
      const step = STEPS.find(([size]) => Math.abs(value) >= size)
      if (!step) return number(value, 0)
      return number(value / step[0], 1).replace(/[.,]0$/, '') + step[1]
    },
    money(amount) {
      const digits = amount > 0 && amount < 1 ? 4 : 2
      return (SYMBOLS[words.currency] ?? `${words.currency}\u00a0`) + number(amount, digits)
    },
  }
}
