// The page of a conversation: answers as they are written, sending without leaving the page, copying of code.
import { AnswerText } from './chat_text.js'
import { follow } from './live.js'
import { toast } from './toasts.js'

const SOON = 700

const page = document.querySelector('[data-chat]')
const composer = page.querySelector('[data-chat-send]')
const box = composer.querySelector('textarea')
const files = composer.querySelector('input[type=file]')
const refusal = page.querySelector('[data-chat-refusal]')
const stop = page.querySelector('[data-chat-stop]')
let stream = null
let timer = 0

function log() {
  return page.querySelector('[data-chat-log]')
}

function token() {
  return composer.querySelector('[name=csrfmiddlewaretoken]').value
}

async function post(url, data) {
  data.set('csrfmiddlewaretoken', token())
  const headers = { 'X-Part': 'log' }
  const answer = await fetch(url, { method: 'POST', body: data, headers, credentials: 'same-origin' })
  const text = await answer.text()
  if (!answer.ok || answer.redirected) throw new Error(answer.status < 500 && !answer.redirected ? text : '')
  return text
}

function renderOnServer(text) {
  const data = new FormData()
  data.set('text', text)
  return post(page.dataset.renderUrl, data)
}

/** Put a new log in the place of the old one, and follow what is being written in it. */
function show(html) {
  const parsed = new DOMParser().parseFromString(html, 'text/html')
  const fresh = parsed.querySelector('[data-chat-log]')
  if (!fresh) return
  const isAtEnd = isNearEnd()
  log().replaceWith(document.adoptNode(fresh))
  adorn(log())
  watch()
  if (isAtEnd) toEnd()
}

async function reload() {
  window.clearTimeout(timer)
  const answer = await fetch(page.dataset.logUrl, { credentials: 'same-origin' }).catch(() => null)
  if (answer?.ok && !answer.redirected) show(await answer.text())
  else timer = window.setTimeout(reload, 4 * SOON)
}

function watch() {
  window.clearTimeout(timer)
  stream?.close()
  stream = null
  const element = log().querySelector('[data-chat-writing]')
  stop.hidden = !element
  if (element) stream = followAnswer(element)
  else if (log().dataset.isWaiting) timer = window.setTimeout(reload, SOON)
}

/** Only one text is shown: that of the node run that wrote last. */
function followAnswer(element) {
  const texts = new Map()
  let shown = null
  return follow({
    url: element.dataset.chatWriting,
    after: 0,
    onEvent(event) {
      if (event.type !== 'node.delta' && event.type !== 'node.text') return
      const { path, attempt, index, text } = event.data
      let known = texts.get(path)
      if (known && attempt < known.attempt) return
      if (!known || attempt > known.attempt) {
        known = { attempt, index: 0, text: '' }
        texts.set(path, known)
      }
      if (event.type === 'node.text' ? index < known.index : index <= known.index) return
      known.text = event.type === 'node.text' ? text : known.text + text
      known.index = index
      const isAtEnd = isNearEnd()
      shown ??= new AnswerText(element, renderOnServer)
      shown.set(known.text)
      if (isAtEnd) requestAnimationFrame(toEnd)
    },
    onReset: reload,
    onEnd: reload,
  })
}

function isNearEnd() {
  const root = document.documentElement
  return root.scrollHeight - root.scrollTop - root.clientHeight < 160
}

function toEnd() {
  window.scrollTo({ top: document.documentElement.scrollHeight })
}

/** Give every block of code a button that copies it. */
function adorn(root) {
  const template = document.querySelector('[data-copy-template]')
  for (const code of root.querySelectorAll('.chat-text > pre')) {
    const frame = document.createElement('div')
    frame.className = 'chat-code'
    frame.dataset.copyRoot = ''
    code.dataset.copySource = ''
    code.tabIndex = 0
    code.replaceWith(frame)
    frame.append(code, template.content.cloneNode(true))
  }
  for (const button of root.querySelectorAll('[data-copy][hidden]')) button.hidden = false
}

function refuse(words) {
  refusal.textContent = words
  refusal.hidden = !words
}

composer.addEventListener('submit', async (event) => {
  event.preventDefault()
  const text = box.value
  if (!text.trim() && !files.files.length) return
  refuse('')
  const data = dataOf(composer, text)
  box.value = ''
  try {
    show(await post(composer.action, data))
    files.value = ''
    countFiles()
    toEnd()
  } catch (error) {
    if (!box.value) box.value = text
    refuse(error.message || document.getElementById('offline-bar')?.textContent.trim() || '')
  }
  box.focus()
})

function countFiles() {
  const count = composer.querySelector('[data-files-count]')
  count.textContent = String(files.files.length)
  count.hidden = !files.files.length
}

files.addEventListener('change', countFiles)

function dataOf(form, text) {
  const data = new FormData(form)
  if (text !== undefined) data.set('text', text)
  return data
}

box.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.altKey) return
  event.preventDefault()
  composer.requestSubmit()
})

page.addEventListener('submit', async (event) => {
  const form = event.target
  if (!form.matches('[data-chat-act]')) return
  event.preventDefault()
  try {
    show(await post(form.action, dataOf(form)))
  } catch (error) {
    if (error.message) toast(error.message, 'error')
    reload()
  }
})

adorn(log())
watch()
if (log().children.length > 2) toEnd()
