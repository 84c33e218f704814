// A remote agent of an Orchestra installation: it registers, keeps one connection, works on what it is given, and
// answers each assignment exactly once. docs/agents.md has the protocol.
import { setTimeout as pause } from 'node:timers/promises'

import { openSocket } from './socket.js'

const DISABLED = 4401
const REPLACED = 4409
const LONGEST_PAUSE = 15_000
const REFUSED = new Set([400, 401, 403, 404, 409, 422])

/** The installation does not let this agent in, or another program works as this agent now. */
export class NotLetIn extends Error {}

/** The assignment cannot be done. `isTransient`: it may succeed another time. */
export class Failed extends Error {
  constructor(message, { isTransient = false } = {}) {
    super(message)
    this.isTransient = isTransient
  }
}

/** This agent does not want the assignment; others get it first. */
export class Refused extends Error {}

/**
 * What a handler is given. It may come a second time, after a lost connection; `idempotencyKey` is then the same.
 */
export class Assignment {
  #send

  constructor(message, send) {
    this.id = message.id
    this.fence = message.fence
    this.run = message.run
    this.path = message.path
    this.attempt = message.attempt
    /** @type {number | null} seconds */
    this.timeout = message.timeout
    this.idempotencyKey = message.idempotency_key
    /** @type {{task: string, system?: string, schema?: object, tools?: string[]}} */
    this.payload = message.payload
    /** Charged to the run. @type {{input_tokens?: number, output_tokens?: number, cost?: number, model?: string}} */
    this.usage = {}
    /** Aborted when the assignment is cancelled. */
    this.controller = new AbortController()
    this.#send = send
  }

  get task() {
    return this.payload.task
  }

  get signal() {
    return this.controller.signal
  }

  /** Stream a piece of text to whoever watches the run. @param {string} text */
  say(text) {
    this.#tell({ type: 'text', text })
  }

  /** Say how far this is. @param {number | null} share 0 to 1 @param {string} [note] */
  progress(share, note = '') {
    this.#tell({ type: 'progress', share, note })
  }

  #tell(message) {
    this.#send({ ...message, id: this.id, fence: this.fence })
  }
}

/**
 * @typedef {object} Options
 * @property {string} url of the installation
 * @property {string} token registration token (ort_…)
 * @property {string} name the same name again is the same agent
 * @property {string[]} [capabilities] such as `translate;languages=de|fr`
 * @property {number} [slots] assignments at once
 * @property {(assignment: Assignment) => Promise<unknown>} handler what it returns is the output
 * @property {(line: string) => void} [log]
 */

export class Agent {
  #options
  #key = ''
  #socket = null
  #work = new Map()
  #ends = new Map()
  #isDraining = false
  #beatSeconds = 5
  #timer = null

  /** @param {Options} options */
  constructor(options) {
    this.#options = { capabilities: [], slots: 1, log: console.error, ...options }
  }

  /** Work until `drain()` was called and everything is finished. Rejects with NotLetIn. */
  async run() {
    let wait = 500
    while (!this.#isFinished) {
      try {
        if (!this.#key) this.#key = await this.#register()
        await this.#connected()
        wait = 500
      } catch (error) {
        if (error instanceof NotLetIn) throw error
        if (error.status === 401 || error.status === 403) this.#key = ''
        this.#options.log(`not connected (${error.message}); trying again`)
        await pause(wait * (0.5 + Math.random() / 2))
        wait = Math.min(2 * wait, LONGEST_PAUSE)
      }
    }
  }

  /** Take nothing new, finish what is at work, then stop. */
  drain() {
    this.#isDraining = true
    this.#beat()
    this.#leaveIfFinished()
  }

  get #isFinished() {
    return this.#isDraining && this.#work.size === 0 && this.#ends.size === 0
  }

  async #register() {
    const { url, token, name, capabilities, slots } = this.#options
    const answer = await fetch(new URL('/api/v1/agents/register', url), {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ name, capabilities, slots }),
      signal: AbortSignal.timeout(30_000),
    })
    const body = await answer.text()
    if (answer.status === 201) return JSON.parse(body).key
    if (REFUSED.has(answer.status)) throw new NotLetIn(`Registering was refused (${answer.status}): ${body.slice(0, 500)}`)
    throw new Error(`HTTP ${answer.status}`)
  }

  async #connected() {
    const url = new URL('/ws/agents/', this.#options.url).href
    const socket = await openSocket(url, { Authorization: `Bearer ${this.#key}` })
    this.#socket = socket
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('message', (text) => this.#hear(JSON.parse(text)))
    this.#send({ type: 'hello', ...this.#report() })
    for (const end of this.#ends.values()) this.#send(end)
    this.#options.log(`connected as ${this.#options.name}`)
    this.#plan()
    const code = await closed
    clearTimeout(this.#timer)
    this.#socket = null
    if (code === REPLACED) throw new NotLetIn('Another program works as this agent now.')
    if (code === DISABLED) this.#key = ''
    if (!this.#isFinished) throw new Error(`the connection was closed (${code})`)
  }

  #plan() {
    this.#timer = setTimeout(() => {
      this.#beat()
      this.#plan()
    }, this.#beatSeconds * 1000)
  }

  #beat() {
    this.#send({ type: 'beat', ...this.#report() })
  }

  #report() {
    const held = new Map([...this.#work.values(), ...this.#ends.values()].map((one) => [one.id, one.fence]))
    return {
      held: [...held].map(([id, fence]) => ({ id, fence })),
      slots: this.#options.slots,
      draining: this.#isDraining,
    }
  }

  #send(message) {
    this.#socket?.send(JSON.stringify(message))
  }

  #hear(message) {
    if (message.type === 'assignment') this.#take(message)
    else if (message.type === 'cancel') this.#cancel(message.id)
    else if (message.type === 'ack') this.#ends.delete(message.id)
    else if (message.type === 'welcome') this.#beatSeconds = message.beat_seconds
    else if (message.type === 'error') this.#options.log(`the installation says: ${message.message}`)
    this.#leaveIfFinished()
  }

  #take(message) {
    const before = this.#work.get(message.id)
    if (before?.fence === message.fence) return
    before?.controller.abort()
    const assignment = new Assignment(message, (said) => this.#send(said))
    this.#ends.delete(message.id)
    this.#work.set(message.id, assignment)
    this.#do(assignment)
  }

  #cancel(id) {
    this.#work.get(id)?.controller.abort()
    this.#work.delete(id)
    this.#ends.delete(id)
  }

  async #do(assignment) {
    this.#options.log(`at work: ${assignment.id} ${assignment.path}`)
    const end = await this.#endOf(assignment)
    if (this.#work.get(assignment.id) !== assignment) return
    this.#work.delete(assignment.id)
    const { id, fence, usage } = assignment
    this.#ends.set(id, { ...end, id, fence, usage })
    this.#send(this.#ends.get(id))
  }

  async #endOf(assignment) {
    try {
      return { type: 'done', output: (await this.#options.handler(assignment)) ?? null }
    } catch (error) {
      if (error instanceof Refused) return { type: 'nack' }
      const transient = error instanceof Failed && error.isTransient
      return { type: 'failed', error: { message: String(error?.message ?? error), transient } }
    }
  }

  #leaveIfFinished() {
    if (this.#isFinished) this.#socket?.close()
  }
}
