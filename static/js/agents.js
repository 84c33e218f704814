// The cards of agents, and the page of one, change by themselves while somebody looks.
import { refreshClock } from './clock.js'

const EVERY_MILLISECONDS = 3000
const place = document.querySelector('[data-live-place]')

async function refresh() {
  if (document.hidden || place.contains(document.activeElement)) return
  try {
    const headers = { 'X-Requested-With': 'fetch' }
    const answer = await fetch(location.href, { credentials: 'same-origin', redirect: 'error', headers })
    if (answer.ok) place.innerHTML = await answer.text()
    refreshClock()
  } catch {
    // Away for a moment: the next turn tries again.
  }
}

if (place) setInterval(refresh, EVERY_MILLISECONDS)
