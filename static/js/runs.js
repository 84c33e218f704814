// The list of runs: rows change and appear by themselves; the server draws them, so they look the same everywhere.

import { figures } from './figures.js'
import { follow } from './live.js'

const GATHER = 300
const PROGRESS = 3000

const root = document.querySelector('[data-runs]')
const body = root.querySelector('[data-runs-rows]')
const words = figures(root)
const isFirst = root.dataset.isFirst === '1'
const wanted = new Set()
let timer = 0

function ask(ids) {
  for (const id of ids) wanted.add(id)
  timer ||= window.setTimeout(read, GATHER)
}

async function read() {
  timer = 0
  const ids = [...wanted].slice(0, 100)
  wanted.clear()
  const query = new URLSearchParams(root.dataset.filters)
  for (const id of ids) query.append('id', id)
  const answer = await fetch(`${root.dataset.rowsUrl}?${query}`)
  if (answer.ok) take(await answer.text())
}

function take(html) {
  const template = document.createElement('template')
  template.innerHTML = html
  for (const row of [...template.content.children].reverse()) {
    const known = body.querySelector(`[data-run-id="${row.dataset.runId}"]`)
    if (known) replace(known, row)
    else if (isFirst) insert(row)
  }
  root.querySelector('[data-runs-card]').hidden = !body.childElementCount
  const empty = root.querySelector('[data-runs-empty]')
  if (empty) empty.hidden = body.childElementCount > 0
}

function replace(known, row) {
  if (Number(row.dataset.seq) < Number(known.dataset.seq)) return
  const tick = row.querySelector('input[type=checkbox]')
  if (tick && !tick.disabled) tick.checked = known.querySelector('input[type=checkbox]')?.checked ?? false
  if (known.contains(document.activeElement) && known.outerHTML === row.outerHTML) return
  known.replaceWith(row)
}

// Ids rise with time, so the place of a row follows from its id.
function insert(row) {
  const after = [...body.children].find((other) => other.dataset.runId < row.dataset.runId)
  row.classList.add('is-new')
  body.insertBefore(row, after ?? null)
}

async function reread() {
  const answer = await fetch(location.href)
  if (!answer.ok) return
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  const rows = page.querySelector('[data-runs-rows]')
  if (rows) take(rows.innerHTML)
}

function openRuns() {
  const rows = [...body.querySelectorAll('[data-run-status]')]
  return rows.filter((row) => !['succeeded', 'failed', 'cancelled'].includes(row.dataset.runStatus))
}

function tick() {
  for (const element of body.querySelectorAll('[data-ticking]')) {
    element.textContent = words.duration(Math.max(0, Date.now() / 1000 - Number(element.dataset.ticking)))
  }
}

const bulk = root.querySelector('[data-bulk]')

function countTicks() {
  if (!bulk) return
  const count = body.querySelectorAll('input[type=checkbox]:checked').length
  const { one, many } = document.querySelector('[data-tick-words]').dataset
  bulk.querySelector('[data-bulk-count]').textContent = count === 1 ? one : many.replace('{n}', count)
  bulk.hidden = count === 0
}

body.addEventListener('change', countTicks)
countTicks()
window.setInterval(tick, 1000)
window.setInterval(() => {
  if (!document.hidden) ask(openRuns().map((row) => row.dataset.runId))
}, PROGRESS)
follow({ url: root.dataset.streamUrl, onEvent: (event) => event.run && ask([event.run]), onBack: reread })
