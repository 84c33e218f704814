// The editor of definitions: a text area with line numbers and colours, checked by the server while one types.

import { draw, findBlocks } from './editor_paint.js'
import { startGraphs } from './graph.js'

const PAUSE = 350
const INDENT = '  '

const form = document.querySelector('[data-editor-form]')
const text = form.querySelector('[data-editor-text]')
const paint = form.querySelector('[data-editor-paint]')
const gutter = form.querySelector('[data-editor-gutter]')
const side = form.querySelector('[data-editor-side]')
const state = document.querySelector('[data-editor-state]')
let painted = []
let saved = text.value
let timer = 0
let asking = null
let isLeaving = false
let mayLeave = false

// Painting: only the lines that changed. --------------------------------------------------------------
function repaint() {
  const lines = text.value.split('\n')
  const blocks = findBlocks(lines)
  const keys = lines.map((line, i) => (blocks[i] ? '|' : ' ') + line)
  let top = 0
  while (top < keys.length && top < painted.length && keys[top] === painted[top]) top += 1
  let bottom = 0
  const most = Math.min(keys.length, painted.length) - top
  while (bottom < most && keys[keys.length - 1 - bottom] === painted[painted.length - 1 - bottom]) bottom += 1
  for (let i = painted.length - bottom - 1; i >= top; i -= 1) paint.children[i].remove()
  const fresh = lines.slice(top, lines.length - bottom).map((line, i) => draw(line, blocks[top + i]))
  if (top < paint.childElementCount) paint.children[top].before(...fresh)
  else paint.append(...fresh)
  painted = keys
  number(lines.length)
}

function number(count) {
  while (gutter.childElementCount > count) gutter.lastElementChild.remove()
  while (gutter.childElementCount < count) {
    const line = document.createElement('div')
    line.textContent = String(gutter.childElementCount + 1)
    gutter.append(line)
  }
}

function markLines() {
  for (const element of form.querySelectorAll('.is-bad-line')) {
    element.classList.remove('is-bad-line')
    element.removeAttribute('title')
  }
  for (const problem of side.querySelectorAll('[data-problem]')) {
    const index = Number(problem.dataset.line) - 1
    for (const element of [gutter.children[index], paint.children[index]]) element?.classList.add('is-bad-line')
    if (gutter.children[index]) gutter.children[index].title = problem.querySelector('.problem-text').textContent
  }
}

// Checking and saving. --------------------------------------------------------------------------------
function checkSoon() {
  window.clearTimeout(timer)
  timer = window.setTimeout(check, PAUSE)
}

async function check() {
  asking?.abort()
  asking = new AbortController()
  try {
    const answer = await fetch(form.dataset.checkUrl, { method: 'POST', body: new FormData(form), signal: asking.signal })
    if (!answer.ok) return
    side.innerHTML = await answer.text()
  } catch {
    return
  }
  startGraphs(side)
  markLines()
}

function say(name) {
  state.dataset.state = name
  state.textContent = state.getAttribute(`data-words-${name}`) ?? ''
}

function sayState() {
  say(text.value === saved ? 'saved' : 'changed')
}

async function save() {
  const sent = text.value
  say('saving')
  try {
    const answer = await fetch(form.action || location.href, {
      method: 'POST',
      body: new FormData(form),
      headers: { Accept: 'application/json' },
    })
    // Somebody else has saved: the server's own page shows both texts.
    if (answer.status === 412) return leave()
    if (!answer.ok) throw new Error(String(answer.status))
    form.elements.revision.value = (await answer.json()).revision
    saved = sent
    sayState()
  } catch {
    say('failed')
  }
}

function leave() {
  mayLeave = true
  form.submit()
}

form.addEventListener('submit', (event) => {
  if (event.submitter?.name === 'save') {
    event.preventDefault()
    save()
  } else {
    mayLeave = true
  }
})

addEventListener('beforeunload', (event) => {
  if (!mayLeave && text.value !== saved) event.preventDefault()
})

// Typing. -----------------------------------------------------------------------------------------------
function insert(words) {
  // The one way that keeps the browser's own undo.
  if (!document.execCommand('insertText', false, words)) {
    text.setRangeText(words, text.selectionStart, text.selectionEnd, 'end')
    changed()
  }
}

function lineBounds() {
  const start = text.value.lastIndexOf('\n', text.selectionStart - 1) + 1
  const found = text.value.indexOf('\n', Math.max(start, text.selectionEnd - (text.selectionEnd > text.selectionStart ? 1 : 0)))
  return [start, found < 0 ? text.value.length : found]
}

function shift(isOut) {
  const [start, end] = lineBounds()
  const { selectionStart: from, selectionEnd: to } = text
  if (!isOut && from === to) return insert(INDENT.slice((from - start) % INDENT.length))
  const lines = text.value.slice(start, end).split('\n')
  const moved = lines.map((line) => (isOut ? line.replace(/^ {1,2}/, '') : line && INDENT + line))
  text.setSelectionRange(start, end)
  insert(moved.join('\n'))
  const first = moved[0].length - lines[0].length
  if (from === to) text.setSelectionRange(Math.max(start, from + first), Math.max(start, from + first))
  else text.setSelectionRange(start, start + moved.join('\n').length)
}

function breakLine() {
  const start = text.value.lastIndexOf('\n', text.selectionStart - 1) + 1
  const line = text.value.slice(start, text.selectionStart)
  const indent = line.match(/^ */)[0]
  const isDeeper = /(:|\|[-+]?|>[-+]?)\s*$/.test(line)
  insert(`\n${indent}${isDeeper ? INDENT : ''}`)
}

text.addEventListener('keydown', (event) => {
  if (event.isComposing) return
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey
  if (event.key === 'Escape') isLeaving = true
  else if (event.key === 'Tab' && isPlain && !isLeaving) {
    event.preventDefault()
    shift(event.shiftKey)
  } else if (event.key === 'Enter' && isPlain && !event.shiftKey) {
    event.preventDefault()
    breakLine()
  }
  if (!['Escape', 'Tab', 'Shift'].includes(event.key)) isLeaving = false
})
text.addEventListener('blur', () => {
  isLeaving = false
})

addEventListener('keydown', (event) => {
  if (event.key === 's' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    save()
  }
})

function changed() {
  repaint()
  sayState()
  checkSoon()
}

text.addEventListener('input', changed)

// From a problem or a node of the graph to its line. ------------------------------------------------------
function goTo(index) {
  const lines = text.value.split('\n')
  const start = lines.slice(0, index).reduce((sum, line) => sum + line.length + 1, 0)
  text.focus({ preventScroll: true })
  text.setSelectionRange(start, start + (lines[index]?.length ?? 0))
  paint.children[index]?.scrollIntoView({ block: 'center', inline: 'nearest' })
}

function lineOf(path) {
  const lines = text.value.split('\n')
  let index = lines.findIndex((line) => /^nodes:/.test(line))
  for (const id of path.split('[].')) {
    const found = lines.findIndex((line, i) => i > index && new RegExp(`^\\s+${id}:`).test(line))
    if (found < 0) return index
    index = found
  }
  return index
}

side.addEventListener('click', (event) => {
  const problem = event.target.closest('[data-problem]')
  if (problem?.dataset.line) goTo(Number(problem.dataset.line) - 1)
  const node = event.target.closest('.graph-node')
  if (node) goTo(lineOf(node.dataset.nodePath))
})
side.addEventListener('keydown', (event) => {
  const node = event.target.closest('.graph-node')
  if (node && event.key === 'Enter') goTo(lineOf(node.dataset.nodePath))
})

form.classList.add('is-enhanced')
repaint()
markLines()
sayState()
