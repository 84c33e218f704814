// The page of a run: follows its events and keeps graph, timeline, lists, figures and texts true.

import { figures } from './figures.js'
import { follow } from './live.js'
import { Board, isFinal, progress, templatePath } from './run_board.js'
import { Panel } from './run_panel.js'
import { Texts } from './run_text.js'
import { Timeline } from './run_timeline.js'

const root = document.querySelector('[data-run]')
const board = new Board(JSON.parse(root.dataset.state))
const words = figures(root)
const sprite = document.querySelector('[data-sprite]').dataset.sprite
const runUrl = root.dataset.runUrl
const at = (selector) => root.querySelector(selector)
const address = (path) => `${runUrl}nodes/${encodeURIComponent(path)}/`

const shown = new Map()
for (const element of root.querySelectorAll('.graph-node, .gantt-row, .nodes tr[data-node-path]')) {
  const path = element.dataset.nodePath
  if (!shown.has(path)) shown.set(path, [])
  shown.get(path).push(element)
}

const edges = [...root.querySelectorAll('.graph-edge')]
const timeline = new Timeline(at('[data-gantt]'), board, words)
const texts = new Texts({ section: at('[data-writing]'), name: nameOf, address })
const panel = new Panel({
  dialog: document.querySelector('[data-panel]'),
  address,
  onFill: (dialog) => dialog.querySelectorAll('[data-node-text]').forEach((element) => texts.fill(element)),
})

function nameOf(path) {
  const title = document.querySelector(`.gantt-row[data-node-path="${CSS.escape(templatePath(path))}"] .truncate`)
  const index = path.match(/\[(\d+)\][^[]*$/)?.[1]
  return (title?.textContent ?? path) + (index === undefined ? '' : ` [${index}]`)
}

// Painting: at most once a frame, only what changed. ------------------------------------------------
const changed = new Set()
let isPainting = false

function paintSoon(paths) {
  for (const path of paths) changed.add(path)
  if (isPainting) return
  isPainting = true
  requestAnimationFrame(() => {
    isPainting = false
    paint()
  })
}

function paint() {
  for (const path of changed) {
    const node = board.nodes[path]
    for (const element of shown.get(path) ?? []) paintNode(element, node)
  }
  if (changed.size) paintEdges()
  changed.clear()
  timeline.draw()
  paintRun()
}

function paintNode(element, node) {
  const isGroup = element.classList.contains('is-group')
  if (element.dataset.nodeStatus !== node.status) {
    // A map that waits for its items is at work.
    const said = isGroup && node.status === 'waiting' ? 'running' : node.status
    element.dataset.nodeStatus = node.status
    element.querySelector('[data-status-icon]')?.setAttribute('href', `${sprite}#status-${said}`)
    element.querySelector('[data-status-cell]')?.replaceChildren(badge(said))
    write(element, '[data-status-words]', badge(said).textContent.trim())
  }
  const many = isGroup ? node.items : node.counts
  const { done, total } = progress(many)
  write(element, '[data-count]', total ? `${done}/${total}` : '')
  write(element, '[data-attempt]', node.attempt || '')
  write(element, '[data-tokens]', node.tokens ? words.compact(node.tokens) : '')
  write(element, '[data-cost]', node.cost ? words.money(node.cost) : '')
  if (element.matches('tr') && node.finished !== null && node.started !== null) {
    write(element, '[data-seconds]', words.duration((node.finished - node.started) / 1000))
  }
}

function write(element, selector, text) {
  const found = element.querySelector(selector)
  if (found && found.textContent !== String(text)) found.textContent = text
}

function badge(status) {
  const template = document.querySelector(`template[data-status-template="${status}"]`)
  return template.content.cloneNode(true)
}

function paintEdges() {
  for (const edge of edges) {
    const source = board.nodes[edge.dataset.edgeSource]
    const target = board.nodes[edge.dataset.edgeTarget]
    if (!source || !target) continue
    const isTaken = ['succeeded', 'failed'].includes(source.status) && !['pending', 'skipped'].includes(target.status)
    edge.classList.toggle('is-live', isTaken)
  }
}

function paintRun() {
  const { state } = board
  root.dataset.seq = state.seq
  if (root.dataset.runStatus !== state.status) {
    root.dataset.runStatus = state.status
    at('[data-run-badge]').replaceChildren(badge(state.status))
  }
  const isOver = isFinal(state.status)
  const seconds = !state.is_started ? null : isOver ? state.end / 1000 : board.now / 1000
  at('[data-run-duration]').textContent = words.duration(seconds)
  at('[data-run-done]').textContent = state.done
  at('[data-run-total]').textContent = state.total
  at('[data-run-progress]').max = state.total || 1
  at('[data-run-progress]').value = state.done
  at('[data-run-tokens-in]').textContent = words.compact(state.input_tokens)
  at('[data-run-tokens-out]').textContent = words.compact(state.output_tokens)
  at('[data-run-cost]').textContent = words.money(state.cost)
  const cancel = at('[data-cancel]')
  if (cancel) cancel.hidden = isOver
  for (const form of root.querySelectorAll('[data-when]')) {
    form.hidden = !form.dataset.when.split(' ').includes(state.status)
  }
}

// Events. -------------------------------------------------------------------------------------------
function receive(event) {
  if (event.type === 'node.delta' || event.type === 'node.text') return texts.take(event)
  const paths = board.apply(event)
  paintSoon(paths)
  log(event)
  if (event.node) {
    if (isFinal(event.type.slice(5))) texts.settle(event.node)
    panel.touch(event.node)
  }
  if (event.data.reason === 'retry') reread()
  if (event.type.startsWith('run.') && board.isFinal) finish()
  else if (MOVES.has(event.type) || event.node?.endsWith('$undo[0]')) summariseSoon()
}

// What stands at the top: the result or the failure, what is being undone, what the run waits for. ------
const MOVES = new Set(['run.undoing', 'run.waiting', 'run.resumed', 'run.paused', 'node.waiting', 'approval.decided'])
let summarising = 0

function summariseSoon() {
  window.clearTimeout(summarising)
  summarising = window.setTimeout(summarise, 150)
}

async function summarise() {
  const ending = await fetch(`${runUrl}ending/`)
  if (ending.ok) at('[data-run-ending]').innerHTML = await ending.text()
}

// A retry changes nodes that have no event of their own: the state is read anew.
let rereading = 0

function reread() {
  window.clearTimeout(rereading)
  rereading = window.setTimeout(refresh, 150)
}

function log(event) {
  const body = at('[data-log]')
  if (body.querySelector(`[data-event-seq="${event.seq}"]`)) return
  const row = document.querySelector('[data-log-template]').content.cloneNode(true).firstElementChild
  const [seq, time, type, node, details] = row.children
  row.dataset.eventSeq = event.seq
  seq.textContent = event.seq
  time.firstElementChild.dateTime = event.at
  time.firstElementChild.textContent = clock.format(new Date(event.at))
  type.firstElementChild.textContent = event.type
  node.textContent = event.node ?? ''
  details.textContent = event.data.error?.message ?? event.data.by ?? ''
  body.prepend(row)
  while (body.childElementCount > 400) body.lastElementChild.remove()
}

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZone: root.dataset.timeZone || undefined,
})

async function refresh() {
  const answer = await fetch(`${runUrl}state/`, { headers: { Accept: 'application/json' } })
  if (!answer.ok) return null
  board.load(await answer.json())
  paintSoon(Object.keys(board.nodes))
  return board.state.seq
}

async function finish() {
  texts.close()
  window.clearTimeout(summarising)
  await Promise.all([refresh(), summarise()])
  for (const button of root.querySelectorAll('[data-copy][hidden]')) button.hidden = false
  watchForRetry()
}

// An ended run has no stream of its own any more; a retry by whomever is heard of among the team's runs.
function watchForRetry() {
  const news = new EventSource(root.dataset.newsUrl)
  news.addEventListener('run.resumed', (message) => {
    if (JSON.parse(message.data).run === root.dataset.runId) window.location.reload()
  })
  window.addEventListener('pagehide', () => news.close())
}

// What a person asks for is shown at once, and taken back when the server refuses. ------------------------
for (const form of root.querySelectorAll('[data-cancel], [data-act]')) form.addEventListener('submit', act)

async function act(event) {
  event.preventDefault()
  const form = event.target
  const wasOver = board.isFinal
  form.querySelector('button').disabled = true
  at('[data-run-badge]').replaceChildren(badge(form.dataset.act ?? 'cancelled'))
  let isDone = false
  try {
    const answer = await fetch(form.action, {
      method: 'POST',
      body: new FormData(form),
      headers: { Accept: 'application/json' },
    })
    isDone = answer.ok || (answer.status === 409 && !form.dataset.act)
    if (answer.ok && wasOver) window.location.reload()
  } finally {
    form.querySelector('button').disabled = false
    if (!isDone) at('[data-run-badge]').replaceChildren(badge(board.state.status))
  }
}

// Tabs and the log's older pages. ---------------------------------------------------------------------
const tabs = [...root.querySelectorAll('[data-tab]')]

function choose(hash) {
  const chosen = tabs.find((tab) => tab.hash === hash) ?? tabs[0]
  for (const tab of tabs) {
    const isChosen = tab === chosen
    if (isChosen) tab.setAttribute('aria-current', 'true')
    else tab.removeAttribute('aria-current')
    document.getElementById(tab.hash.slice(1)).hidden = !isChosen
  }
}

at('[data-tab-list]').addEventListener('click', (event) => {
  const tab = event.target.closest('[data-tab]')
  if (!tab) return
  event.preventDefault()
  const url = new URL(location.href)
  url.searchParams.set('tab', tab.hash.slice(1))
  url.hash = ''
  history.replaceState(null, '', url)
  choose(tab.hash)
})

at('[data-log-more]')?.addEventListener('click', async (event) => {
  const button = event.target
  const last = at('[data-log]').lastElementChild?.dataset.eventSeq
  const answer = await fetch(`${button.dataset.url}?before=${last}`)
  if (answer.ok) at('[data-log]').insertAdjacentHTML('beforeend', await answer.text())
  button.hidden = Number(at('[data-log]').lastElementChild.dataset.eventSeq) <= 1
})

choose(location.hash || `#${new URL(location.href).searchParams.get('tab')}`)
paintEdges()
timeline.draw()
if (!board.isFinal) {
  const ticking = window.setInterval(() => {
    if (board.isFinal) return window.clearInterval(ticking)
    timeline.draw()
    paintRun()
  }, 250)
  follow({ url: root.dataset.streamUrl, after: board.state.seq, onEvent: receive, onReset: refresh })
} else {
  watchForRetry()
}
