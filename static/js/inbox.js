// The count in the navigation and the inbox's cards change by themselves.
//
// One tab of the browser follows the stream and tells the others, so that open tabs do not use up its connections.
import { refreshClock } from './clock.js'
import { follow } from './live.js'

const place = document.querySelector('[data-inbox-stream]')
const channel = place && new BroadcastChannel('orchestra-inbox')
let reading = null
let isBehind = false

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
  if (list.querySelector('[data-swipe-pending]')) return true
  return [...list.querySelectorAll('input, textarea')].some((field) => field.value !== field.defaultValue)
}

function lead() {
  const tell = () => {
    channel.postMessage('changed')
    refresh()
  }
  follow({ url: place.dataset.inboxStream, isBackground: true, onEvent: tell, onBack: tell })
  return new Promise(() => {})
}

if (place) {
  channel.onmessage = refresh
  if (navigator.locks) navigator.locks.request('orchestra-inbox', lead)
  else lead()
}
