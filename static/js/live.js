// Follows a stream of events (server-sent events) and says how the connection is.
//
// One stream per page. It resumes by its own cursor, so that nothing is lost or doubled over reconnects; a page
// that nobody looks at lets go of its connection after a while and catches up when it is seen again.

const TYPES = [
  'run.queued', 'run.started', 'run.waiting', 'run.paused', 'run.resumed', 'run.succeeded', 'run.failed',
  'run.cancelled', 'node.queued', 'node.started', 'node.waiting', 'node.retrying', 'node.succeeded', 'node.failed',
  'node.skipped', 'node.cancelled', 'node.delta', 'node.text', 'usage.recorded', 'budget.warned', 'budget.spent',
  'signal.received', 'approval.requested', 'approval.decided', 'approval.withdrawn', 'run.undoing', 'effect.decided',
  'message',
]
const QUICK_TRIES = [250, 500, 1000, 2000, 4000]
const SLOW_TRY = 30000
const HIDDEN_MAX = 20000

/**
 * Follow a stream.
 *
 * url      the stream's address, without a cursor
 * after    `seq` of the last event that the page already shows, or null for streams without a cursor
 * onEvent  called with each envelope `{seq, type, run, node, at, data}`
 * onReset  called when too much was missed: the page has to read its state again and return the new cursor
 * onOpen   called each time the stream is open
 * onBack   called when a stream without a cursor is open again after a gap
 * onEnd    called once, when the stream has told everything
 * isBackground  whether it shows no state and stays connected while nobody looks
 *
 * Returns `{close}`.
 */
export function follow({ url, after = null, onEvent, onReset, onOpen, onBack, onEnd, isBackground = false }) {
  let source = null
  let cursor = after
  let failures = 0
  let timer = 0
  let hiddenTimer = 0
  let hasEnded = false
  let wasOpen = false

  function open() {
    window.clearTimeout(timer)
    if (hasEnded || source) return
    if (!navigator.onLine) return say('offline')
    say(wasOpen || failures ? 'trying' : 'opening')
    const address = new URL(url, window.location.href)
    if (cursor !== null) address.searchParams.set('after', String(cursor))
    source = new EventSource(address)
    source.onopen = opened
    source.onerror = broken
    for (const type of TYPES) source.addEventListener(type, receive)
    source.addEventListener('link', delayed)
    source.addEventListener('end', finish)
    source.addEventListener('reset', reset)
    source.addEventListener('bye', () => again(Math.random() * 1000))
  }

  function say(state) {
    if (!isBackground) show(state)
  }

  function opened() {
    failures = 0
    say('live')
    onOpen?.()
    if (wasOpen && cursor === null) onBack?.()
    wasOpen = true
  }

  function receive(message) {
    const envelope = JSON.parse(message.data)
    if (typeof envelope.seq === 'number' && cursor !== null) {
      if (envelope.seq <= cursor) return
      cursor = envelope.seq
    }
    onEvent(envelope)
  }

  /** The server's own link is cut or mended: meanwhile it reads the database, and everything comes a little late. */
  function delayed(message) {
    say(JSON.parse(message.data).delayed ? 'delayed' : 'live')
  }

  function broken() {
    const wait = QUICK_TRIES[failures] ?? SLOW_TRY
    failures += 1
    again(wait * (0.75 + Math.random() / 2))
  }

  function again(wait) {
    drop()
    say(failures > QUICK_TRIES.length || !navigator.onLine ? 'offline' : 'trying')
    timer = window.setTimeout(open, wait)
  }

  async function reset() {
    drop()
    cursor = (await onReset?.()) ?? cursor
    open()
  }

  function finish() {
    hasEnded = true
    drop()
    say('ended')
    onEnd?.()
  }

  function drop() {
    source?.close()
    source = null
    window.clearTimeout(timer)
  }

  function seen() {
    window.clearTimeout(hiddenTimer)
    if (document.hidden && !isBackground) hiddenTimer = window.setTimeout(drop, HIDDEN_MAX)
    else if (!source) open()
  }

  function online() {
    failures = 0
    open()
  }

  function offline() {
    drop()
    say('offline')
  }

  document.addEventListener('visibilitychange', seen)
  window.addEventListener('online', online)
  window.addEventListener('offline', offline)
  window.addEventListener('pagehide', drop)
  open()

  return {
    close() {
      hasEnded = true
      window.clearTimeout(hiddenTimer)
      document.removeEventListener('visibilitychange', seen)
      window.removeEventListener('online', online)
      window.removeEventListener('offline', offline)
      drop()
    },
  }
}

/** Show the state of the connection in every pill and banner of the page; their words stand in the page. */
function show(state) {
  for (const pill of document.querySelectorAll('[data-live-pill]')) {
    pill.dataset.state = state
    pill.hidden = false
    const words = pill.querySelector('[data-live-words]')
    if (words) words.textContent = pill.getAttribute(`data-words-${state}`) ?? ''
  }
  for (const banner of document.querySelectorAll('[data-live-banner]')) {
    // Without any network the frame's own bar speaks.
    banner.hidden = state !== 'offline' || !navigator.onLine
  }
}
