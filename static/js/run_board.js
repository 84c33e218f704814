// What the page knows of a run: the state that the server gave, moved on by events. Knows nothing of the page's looks.

const STATUS_OF = {
  'node.queued': 'queued',
  'node.started': 'running',
  'node.waiting': 'waiting',
  'node.retrying': 'waiting',
  'node.succeeded': 'succeeded',
  'node.failed': 'failed',
  'node.skipped': 'skipped',
  'node.cancelled': 'cancelled',
}
const FINAL = new Set(['succeeded', 'failed', 'skipped', 'cancelled'])

/** The path that all items share: `views[].draft` for `views[2].draft`. */
export function templatePath(path) {
  return path.replace(/\[\d+\]/g, '[]')
}

export function isFinal(status) {
  return FINAL.has(status)
}

/** The one status that says most about many node runs; the server's `combined` is the same. */
export function combined(counts) {
  const has = (status) => (counts[status] ?? 0) > 0
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const ended = [...FINAL].reduce((sum, status) => sum + (counts[status] ?? 0), 0)
  if (ended === total) return ['failed', 'cancelled', 'succeeded', 'skipped'].find(has) ?? 'pending'
  if (ended || has('running')) return 'running'
  return ['waiting', 'queued'].find(has) ?? 'pending'
}

/** How many of many have ended by themselves, and how many there are. */
export function progress(counts) {
  let done = 0
  let total = 0
  for (const [status, count] of Object.entries(counts)) {
    total += count
    if (FINAL.has(status) && status !== 'cancelled') done += count
  }
  return { done, total }
}

export class Board {
  constructor(state) {
    this.usage = new Map()
    this.latest = 0
    this.skew = servedAt() - state.now
    this.load(state)
  }

  /** Take over a state as the server gives it. */
  load(state) {
    this.state = state
    this.nodes = state.nodes
    this.active = new Map(Object.entries(state.active))
    this.usage.clear()
  }

  /** Milliseconds since the start of the run, by the server's clock. */
  get now() {
    return Math.max(0, this.latest, Date.now() - this.skew - this.state.start)
  }

  get isFinal() {
    return FINAL.has(this.state.status)
  }

  /** Apply an event; return the paths (as the graph has them) of what changed. */
  apply(event) {
    this.state.seq = event.seq ?? this.state.seq
    if (event.type.startsWith('run.')) this.#run(event)
    const status = STATUS_OF[event.type]
    if (!status || !event.node) return []
    this.#count(event.data)
    return event.node.includes('[') ? this.#inBody(event, status) : this.#atTop(event, status)
  }

  #run(event) {
    const status = event.type.slice(4)
    if (event.type === 'run.started') {
      this.state.start = Date.parse(event.at)
      this.state.is_started = true
    }
    this.state.status = event.data.status ?? { resumed: 'running', started: 'running' }[status] ?? status
    if (FINAL.has(status)) this.state.end = Math.max(0, Date.parse(event.at) - this.state.start)
    this.#count(event.data)
  }

  #count(data) {
    if (typeof data.done === 'number') this.state.done = data.done
    if (typeof data.total === 'number') this.state.total = data.total
  }

  #atTop(event, status) {
    const node = this.nodes[event.node]
    if (!node) return []
    node.status = status
    this.#note(node, event, status)
    this.#open(event.node, node, event)
    if (node.bars.length === 0 && status === 'running') node.bars.push([event.node, this.#at(event), null, status])
    const bar = node.bars[0]
    if (bar) {
      bar[3] = status
      bar[2] = FINAL.has(status) ? this.#at(event) : null
    }
    return [event.node]
  }

  #inBody(event, status) {
    const isItem = event.node.endsWith(']')
    const path = templatePath(event.node).replace(/\[\]$/, '')
    const node = this.nodes[path]
    if (!node) return []
    const counts = isItem ? node.items : node.counts
    const before = this.active.get(event.node) ?? 'pending'
    if (counts[before] > 0) counts[before] -= 1
    counts[status] = (counts[status] ?? 0) + 1
    if (FINAL.has(status)) this.active.delete(event.node)
    else this.active.set(event.node, status)
    if (isItem) return [path]
    node.status = combined(counts)
    this.#note(node, event, status)
    this.#open(path, node, event)
    this.#bar(node, event, status)
    return [path]
  }

  /** A map has opened its items: they and the nodes inside are counted from now on. */
  #open(path, node, event) {
    const count = event.data.items
    if (typeof count !== 'number') return
    node.items.pending = (node.items.pending ?? 0) + count
    for (const [inner, state] of Object.entries(this.nodes)) {
      const rest = inner.startsWith(`${path}[].`) ? inner.slice(path.length + 3) : '[]'
      if (!rest.includes('[]')) state.counts.pending = (state.counts.pending ?? 0) + count
    }
  }

  #bar(node, event, status) {
    let bar = node.bars.findLast((found) => found[0] === event.node)
    if (!bar && status === 'running') {
      bar = [event.node, this.#at(event), null, status]
      node.bars.push(bar)
    }
    if (!bar) return
    bar[3] = status
    if (FINAL.has(status)) bar[2] = this.#at(event)
  }

  #note(node, event, status) {
    const at = this.#at(event)
    if (status === 'running') {
      node.started ??= at
      node.attempt = Math.max(node.attempt, event.data.attempt ?? 0)
      node.finished = null
    }
    if (FINAL.has(node.status)) node.finished = at
    if (event.data.usage) this.#spend(node, event.node, event.data.usage)
  }

  #spend(node, path, usage) {
    const before = this.usage.get(path) ?? { input_tokens: 0, output_tokens: 0, cost: 0 }
    this.usage.set(path, usage)
    for (const name of ['input_tokens', 'output_tokens', 'cost']) {
      this.state[name] += (usage[name] ?? 0) - before[name]
    }
    node.cost += usage.cost - before.cost
    node.tokens += usage.input_tokens + usage.output_tokens - before.input_tokens - before.output_tokens
  }

  #at(event) {
    const at = Math.max(0, Date.parse(event.at) - this.state.start)
    this.latest = Math.max(this.latest, at)
    return at
  }
}

/** When the server answered with this page, by the browser's clock: later would count loading as a wrong clock. */
function servedAt() {
  const [page] = performance.getEntriesByType('navigation')
  return page ? performance.timeOrigin + page.responseStart : Date.now()
}
