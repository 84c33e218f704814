// Runs from the canvas: the last one's values, a new one of the draft, and what each node is doing.
import { follow } from '../../../static/js/live.js'
import { get, post, Refused } from './api.js'
import { combinedOf } from './statuses.js'
import { t } from './words.js'

const PAGE = 200
const MOST_PAGES = 5
const FINAL = new Set(['succeeded', 'failed', 'cancelled'])

export class Runs {
  run = $state.raw(null)
  /** Node runs by path, with outputs; those inside bodies too. */
  nodes = $state.raw({})
  /** Status by path as the canvas draws it: `views[].draft` stands for every item. */
  statuses = $state.raw({})
  isStarting = $state(false)
  problems = $state.raw([])
  failure = $state('')
  isLive = $derived(this.run !== null && !FINAL.has(this.run.status))
  /** What expressions can show as the last values. */
  results = $derived(this.run ? { input: this.run.input, nodes: this.nodes, variables: {} } : null)

  #stream = null
  #timer = 0

  constructor({ urls, toast }) {
    this.urls = urls
    this.toast = toast
  }

  /** Read the newest run of the workflow, if there is one. */
  async readLast() {
    try {
      const { results } = await get(this.urls.lastRun)
      if (results.length) await this.show(results[0].id)
    } catch {
      // Without a last run everything works but last values.
    }
  }

  /** Show a run: as it is, and following it while it goes on. */
  async show(id) {
    this.#stream?.close()
    this.run = await get(`${this.urls.runs}/${id}`)
    await this.#readNodes()
    if (this.isLive) this.#follow()
  }

  async #readNodes() {
    let url = `${this.urls.runs}/${this.run.id}/nodes?limit=${PAGE}`
    const nodes = {}
    for (let page = 0; url && page < MOST_PAGES; page += 1) {
      const found = await get(url)
      for (const node of found.results) nodes[node.path] = node
      url = found.next && new URL(found.next).pathname + new URL(found.next).search
    }
    this.nodes = nodes
    this.statuses = combinedOf(nodes)
  }

  #follow() {
    const id = this.run.id
    this.#stream = follow({
      url: `${this.urls.runs}/${id}/events`,
      after: 0,
      isBackground: true,
      onEvent: (event) => this.#note(event),
      onReset: async () => {
        await this.#refresh()
        return this.run.seq
      },
      onEnd: () => this.#refresh(),
    })
  }

  #note(event) {
    const kind = { started: 'running', retrying: 'waiting' }[event.type.slice(5)] ?? event.type.slice(5)
    if (event.type.startsWith('node.') && event.node && kind !== 'delta' && kind !== 'text') {
      this.nodes = { ...this.nodes, [event.node]: { ...this.nodes[event.node], path: event.node, status: kind } }
      this.statuses = combinedOf(this.nodes)
      if (kind === 'succeeded' || kind === 'failed') this.#refreshSoon()
    }
    if (event.type.startsWith('run.') && event.data?.status) this.run = { ...this.run, status: event.data.status }
    else if (['run.succeeded', 'run.failed', 'run.cancelled', 'run.waiting', 'run.paused'].includes(event.type)) {
      this.run = { ...this.run, status: event.type.slice(4) }
    }
    if (FINAL.has(this.run.status)) this.#refreshSoon()
  }

  #refreshSoon() {
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => this.#refresh(), 250)
  }

  async #refresh() {
    try {
      this.run = await get(`${this.urls.runs}/${this.run.id}`)
      await this.#readNodes()
    } catch {
      this.#refreshSoonAfterFault()
    }
  }

  #refreshSoonAfterFault() {
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => this.#refresh(), 5000)
  }

  /** Start a run of the saved draft; return whether it was accepted. */
  async start(input) {
    return await this.#send(this.urls.start, { input, draft: true })
  }

  /** Run the saved draft again from a node on, with what is still right before it. */
  async again(path) {
    return await this.#send(`${this.urls.runs}/${this.run.id}/retry`, { from: [path], draft: true })
  }

  async #send(url, body) {
    this.isStarting = true
    this.problems = []
    this.failure = ''
    try {
      const started = await post(url, body, { 'Idempotency-Key': crypto.randomUUID() })
      await this.show(started.id)
      return true
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.problems = error.problems
      this.failure = error.message || t('The run could not be started.')
      return false
    } finally {
      this.isStarting = false
    }
  }

  async cancel() {
    if (this.run) await post(`${this.urls.runs}/${this.run.id}/cancel`)
  }
}
