// Cards of the inbox that are decided by swiping: right approves, left rejects, and for some seconds it can be undone.
// Nothing is sent before that; a page that is left sends what is decided.

const THRESHOLD = 100
const UNDO_SECONDS = 6

const pending = new Map()
let held = null

function cardOf(target) {
  return target.closest?.('form[data-approval-id]')
}

function begin(event) {
  const card = cardOf(event.target)
  if (!card || event.pointerType === 'mouse' || event.target.closest('input, textarea, select, button, a')) return
  held = { card, id: event.pointerId, x: event.clientX, y: event.clientY, dx: 0 }
}

function moveBy(event) {
  if (!held || event.pointerId !== held.id) return
  held.dx = event.clientX - held.x
  if (Math.abs(held.dx) < 10 || Math.abs(held.dx) < Math.abs(event.clientY - held.y)) return
  held.card.classList.add('is-swiping')
  held.card.style.transform = `translateX(${held.dx}px)`
  held.card.dataset.swipe = decisionOf(held.dx)
}

function decisionOf(dx) {
  if (Math.abs(dx) < THRESHOLD) return ''
  return dx > 0 ? 'approved' : 'rejected'
}

function end(event) {
  if (!held || event.pointerId !== held.id) return
  const { card, dx } = held
  const decision = event.type === 'pointerup' && card.classList.contains('is-swiping') ? decisionOf(dx) : ''
  held = null
  card.classList.remove('is-swiping')
  card.style.transform = ''
  card.dataset.swipe = ''
  if (!decision) return
  if (decision === 'approved' && !card.reportValidity()) return
  hold(card, decision)
}

/** Put the bar with “Undo” in the card's place, and send the decision when nobody presses it. */
function hold(card, decision) {
  const template = document.querySelector('[data-swipe-template]')
  const bar = template.content.cloneNode(true).firstElementChild
  bar.querySelector('[data-swipe-words]').textContent = template.getAttribute(`data-words-${decision}`)
  card.hidden = true
  card.dataset.swipePending = decision
  card.before(bar)
  const timer = window.setTimeout(send, UNDO_SECONDS * 1000, card)
  pending.set(card, { bar, decision, timer })
  bar.querySelector('[data-swipe-back]').addEventListener('click', () => giveBack(card))
}

function giveBack(card) {
  const { bar, timer } = pending.get(card)
  window.clearTimeout(timer)
  pending.delete(card)
  delete card.dataset.swipePending
  bar.remove()
  card.hidden = false
}

async function send(card, isLeaving = false) {
  const { bar, decision } = pending.get(card)
  pending.delete(card)
  const data = new FormData(card)
  data.set('decision', decision)
  const asked = { method: 'POST', body: data, credentials: 'same-origin', keepalive: isLeaving }
  const answer = await fetch(card.action, asked).catch(() => null)
  delete card.dataset.swipePending
  bar.remove()
  if (answer?.ok) card.remove()
  else card.hidden = false
}

if (document.querySelector('[data-swipe-template]')) {
  document.addEventListener('pointerdown', begin)
  document.addEventListener('pointermove', moveBy)
  document.addEventListener('pointerup', end)
  document.addEventListener('pointercancel', end)
  window.addEventListener('pagehide', () => {
    for (const [card, { timer }] of [...pending]) {
      window.clearTimeout(timer)
      send(card, true)
    }
  })
}
