// The command palette (Ctrl+K), keys that lead to places (g, then a letter), and the sheet that lists them (?).

const dialog = document.getElementById('palette')
const sheet = document.getElementById('shortcuts')
const PAUSE = 120
const TOGETHER = 1200

let timer = 0
let asked = 0
let first = ''
let firstAt = 0

async function search(text) {
  asked += 1
  const mine = asked
  const url = `${dialog.dataset.paletteUrl}?${new URLSearchParams({ q: text })}`
  const answer = await fetch(url, { headers: { 'X-Part': 'hits' }, credentials: 'same-origin' }).catch(() => null)
  if (!answer?.ok || answer.redirected || mine !== asked) return
  const parsed = new DOMParser().parseFromString(await answer.text(), 'text/html')
  dialog.querySelector('[data-palette-hits]').replaceChildren(...parsed.querySelectorAll('[data-hits]'))
  mark(0)
}

function hits() {
  return [...dialog.querySelectorAll('.hit')]
}

function mark(index) {
  const all = hits()
  all.forEach((hit, at) => hit.classList.toggle('is-chosen', at === index))
  all[index]?.scrollIntoView({ block: 'nearest' })
}

function move(step) {
  const all = hits()
  const now = all.findIndex((hit) => hit.classList.contains('is-chosen'))
  if (all.length) mark((now + step + all.length) % all.length)
}

function openPalette() {
  if (dialog.open) return
  dialog.showModal()
  const input = dialog.querySelector('[data-palette-input]')
  input.value = ''
  input.focus()
  search('')
}

function isTyping(target) {
  return target.closest?.('input, textarea, select, [contenteditable]') !== null
}

/** Follow two keys, one after the other. Returns whether they led somewhere. */
function follow(key) {
  const now = Date.now()
  const keys = now - firstAt < TOGETHER ? `${first} ${key}` : key
  first = key
  firstAt = now
  const place = document.querySelector(`[data-shortcut="${CSS.escape(keys)}"]`)
  if (place) window.location.assign(place.dataset.shortcutUrl)
  return Boolean(place)
}

function typed(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
    event.preventDefault()
    openPalette()
    return
  }
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing
  if (!isPlain || isTyping(event.target) || document.querySelector('dialog[open]')) return
  if (event.key === '?') sheet.showModal()
  else if (event.key.length === 1 && follow(event.key.toLowerCase())) event.preventDefault()
}

if (dialog) {
  document.addEventListener('keydown', typed)
  dialog.addEventListener('input', (event) => {
    window.clearTimeout(timer)
    timer = window.setTimeout(search, PAUSE, event.target.value.trim())
  })
  dialog.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      move(event.key === 'ArrowDown' ? 1 : -1)
    } else if (event.key === 'Enter' && event.target.matches('[data-palette-input]') && !event.isComposing) {
      event.preventDefault()
      dialog.querySelector('.hit.is-chosen')?.click()
    }
  })
  for (const link of document.querySelectorAll('[data-palette-open]')) {
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey) return
      event.preventDefault()
      openPalette()
    })
  }
}
