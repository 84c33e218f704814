// The count in the navigation and the inbox's cards change by themselves.
//
// One tab of the browser follows the stream and tells the others, so that open tabs do not use up its connections.
// What came between drawing the cards and the stream was told to nobody, so the cards are read again once it is open.
import { refreshClock } from './clock.js'
import { follow } from './live.js'

const place = document.querySelector('[data-inbox-stream]')
const channel = place && new BroadcastChannel('orchestra-inbox')
let reading = null
let isBehind = false
let isOpen = false

async function refresh() {
  isBehind = true
  if (reading) return
  reading = true
  while (isBehind) {
    isBehind = false
    try {
      const answer = await fetch(place.dataset.inboxUrl, { credentials: 'same-origin', redirect: 'error' })
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), 'text/html'))
    } catch {
      // Away for a moment: the stream calls again when it is back.
    }
  }
  reading = null
}

function take(page) {
  const slots = document.querySelectorAll('[data-inbox-slot]')
  page.querySelectorAll('[data-inbox-slot]').forEach((slot, index) => slots[index]?.replaceWith(slot))
  const list = document.querySelector('[data-inbox-list]')
  const fresh = page.querySelector('[data-inbox-list]')
  // Who is about to answer keeps what is typed; the next page shows the rest.
  if (list && fresh && !list.contains(document.activeElement) && !isHeld(list)) list.replaceWith(fresh)
  refreshClock()
}

function isHeld(list) {
  if (list.querySelector('[data-swipe-pending], .field-errors, .alert')) return true
  return [...list.querySelectorAll('input, textarea, select')].some(isChanged)
}

function isChanged(field) {
  if (!field.options) return field.value !== field.defaultValue || field.checked !== field.defaultChecked
  const first = [...field.options].findIndex((option) => option.defaultSelected)
  return field.selectedIndex !== Math.max(field.multiple ? -1 : 0, first)
}

function lead() {
  const tell = () => {
    channel.postMessage('changed')
    refresh()
  }
  const opened = () => {
    isOpen = true
    channel.postMessage('open')
    hear({ data: 'open' })
  }
  follow({ url: place.dataset.inboxStream, isBackground: true, onEvent: tell, onOpen: opened, onBack: tell })
  return new Promise(() => {})
}

/** Hear another tab: a new one asks whether the stream is open already, the one that follows it tells. */
function hear({ data }) {
  if (data === 'changed') refresh()
  if (data === 'open' && document.querySelector('[data-inbox-list]')) refresh()
  if (data === 'new' && isOpen) channel.postMessage('open')
}

if (place) {
  channel.onmessage = hear
  channel.postMessage('new')
  if (navigator.locks) navigator.locks.request('orchestra-inbox', lead)
  else lead()
}
