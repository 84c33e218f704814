// The first page: recent runs and today's figures change by themselves.
import { refreshClock } from './clock.js'
import { follow } from './live.js'

const PAUSE_MILLISECONDS = 1000
const place = document.getElementById('home-live')
let isWaiting = false
let isBehind = false

async function refresh() {
  isBehind = true
  if (isWaiting) return
  isWaiting = true
  while (isBehind) {
    isBehind = false
    await load()
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS))
  }
  isWaiting = false
}

async function load() {
  try {
    const answer = await fetch(place.dataset.liveUrl, { credentials: 'same-origin', redirect: 'error' })
    if (answer.ok) swap(await answer.text())
  } catch {
    // Away for a moment: the stream says so, and calls again when it is back.
  }
}

function swap(html) {
  const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null
  place.innerHTML = html
  if (focused) place.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus()
  refreshClock()
}

if (place) {
  follow({
    url: place.dataset.streamUrl,
    onEvent: (event) => event.type.startsWith('run.') && refresh(),
    onBack: refresh,
  })
}
