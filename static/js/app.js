// What every page has: toasts, themes, menus, dialogs, busy buttons, relative times, the offline bar.
// Pages work without it; it makes them answer at once.
import { startClock } from './clock.js'
import { askFirst, closeNearest, openTarget } from './dialogs.js'
import './inbox.js'
import './palette.js'
import { adoptToasts, toast } from './toasts.js'

const root = document.documentElement

function switchTheme(form, button) {
  const wanted = button.value
  const before = root.dataset.theme
  root.dataset.theme = wanted
  for (const other of form.querySelectorAll('button[name=theme]')) {
    if (other === button) other.setAttribute('aria-current', 'true')
    else other.removeAttribute('aria-current')
  }
  const mark = form.querySelector('.menu-check')
  if (mark) button.append(mark)
  form.closest('details')?.removeAttribute('open')
  send(form, button).then((answer) => {
    if (!answer.ok) root.dataset.theme = before
  })
}

function send(form, button) {
  const data = new FormData(form)
  if (button?.name) data.set(button.name, button.value)
  return fetch(form.action, { method: 'POST', body: data, redirect: 'manual', credentials: 'same-origin' })
    .then((answer) => ({ ok: answer.ok || answer.type === 'opaqueredirect' }))
    .catch(() => ({ ok: false }))
}

function markBusy(form, button) {
  if (!button || button.hasAttribute('data-no-busy')) return
  button.setAttribute('aria-busy', 'true')
  // A disabled button would not be sent along with the form; the next turn is soon enough.
  setTimeout(() => {
    button.disabled = true
    const spinner = document.createElement('span')
    spinner.className = 'spinner'
    spinner.setAttribute('aria-hidden', 'true')
    const icon = button.querySelector(':scope > .icon')
    if (icon) icon.replaceWith(spinner)
    else if (button.classList.contains('button')) button.prepend(spinner)
  })
}

async function copy(button) {
  const source = button.closest('[data-copy-root]')?.querySelector('[data-copy-source]')
  if (!source) return
  const text = 'value' in source ? source.value : source.textContent
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const range = document.createRange()
    range.selectNodeContents(source)
    getSelection().removeAllRanges()
    getSelection().addRange(range)
    if (!document.execCommand('copy')) return
  }
  toast(button.dataset.done, 'success')
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll('details[data-menu][open]')) {
    if (menu !== except) menu.removeAttribute('open')
  }
}

document.addEventListener('submit', (event) => {
  const form = event.target
  const button = event.submitter
  if (event.defaultPrevented) return
  if (form.matches('[data-theme-form]')) {
    event.preventDefault()
    switchTheme(form, button)
    return
  }
  if (askFirst(event, form, button)) return
  if (form.method === 'post' && !form.matches('[hx-post], [data-hx-post]')) markBusy(form, button)
})

document.addEventListener('click', (event) => {
  const at = (selector) => event.target.closest(selector)
  const menu = at('details[data-menu]')
  closeMenus(menu)
  if (menu && at('a.menu-item')) menu.removeAttribute('open')
  if (at('[data-open]')) openTarget(at('[data-open]').dataset.open)
  if (at('[data-close]')) closeNearest(event.target)
  if (at('[data-copy]')) copy(at('[data-copy]'))
  if (at('[aria-disabled=true]')) event.preventDefault()
})

document.addEventListener('change', (event) => {
  event.target.closest('form[data-autosubmit]')?.requestSubmit()
})

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') {
    const open = document.querySelector('details[data-menu][open]')
    open?.querySelector('summary')?.focus()
    closeMenus()
  }
  const menu = event.target.closest?.('details[data-menu][open]')
  if (menu && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) moveInMenu(event, menu)
})

function moveInMenu(event, menu) {
  const items = [...menu.querySelectorAll('.menu-item')].filter((item) => item.offsetParent)
  const step = event.key === 'ArrowDown' ? 1 : -1
  const now = items.indexOf(document.activeElement)
  event.preventDefault()
  items[(now + step + items.length) % items.length]?.focus()
}

// A page that comes back from the browser's cache must not keep its busy buttons.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload()
})

function showConnection() {
  const bar = document.getElementById('offline-bar')
  // Pages with a stream of their own say it themselves.
  const isSaid = document.querySelector('[data-live-banner]') !== null
  if (bar) bar.hidden = navigator.onLine || isSaid
}

addEventListener('online', showConnection)
addEventListener('offline', showConnection)

for (const button of document.querySelectorAll('[data-copy][hidden], [data-needs-script][hidden]')) {
  button.hidden = false
}
for (const input of document.querySelectorAll('[data-own-zone]')) {
  input.value = Intl.DateTimeFormat().resolvedOptions().timeZone
}
showConnection()
adoptToasts()
startClock()

window.orchestra = { toast, send }
