// The test bench of an agent: the trial changes as its run goes on.
import { refreshClock } from './clock.js'
import { follow } from './live.js'

const PAUSE_MILLISECONDS = 700
const place = document.querySelector('[data-bench]')
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
    const headers = { 'X-Requested-With': 'fetch' }
    const answer = await fetch(location.href, { credentials: 'same-origin', redirect: 'error', headers })
    if (answer.ok) place.innerHTML = await answer.text()
    refreshClock()
  } catch {
    // Away for a moment: the stream says so, and the next event tries again.
  }
}

if (place && !place.querySelector('[data-is-final]')) {
  follow({
    url: place.dataset.streamUrl,
    after: 0,
    onEvent: refresh,
    onReset: async () => {
      await refresh()
      return null
    },
    onEnd: refresh,
  })
}
