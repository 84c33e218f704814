// The timeline: one bar per node run, stretched over the time that has passed. Bars are [path, start, end, status].

const LANES = 8
const MAX_BARS = 600
const SVG = 'http://www.w3.org/2000/svg'

export class Timeline {
  constructor(root, board, figures) {
    this.root = root
    this.board = board
    this.figures = figures
    this.ticks = root.querySelector('[data-gantt-ticks]')
    this.rows = new Map()
    for (const row of root.querySelectorAll('[data-node-path]')) {
      this.rows.set(row.dataset.nodePath, { box: row.querySelector('[data-gantt-bars]'), seconds: row.querySelector('[data-seconds]') })
    }
  }

  /** Draw every row anew for this moment. */
  draw() {
    const span = this.#span()
    for (const [path, row] of this.rows) {
      const node = this.board.nodes[path]
      if (!node) continue
      this.#bars(row.box, this.#shown(path, node), span)
      if (row.seconds) row.seconds.textContent = this.#length(node)
    }
    this.#axis(span)
  }

  #span() {
    const { state } = this.board
    return Math.max(state.end ?? (state.is_started ? this.board.now : 0), 1000)
  }

  /** A map's own bar lasts as long as what is inside it. */
  #shown(path, node) {
    const inside = Object.entries(this.board.nodes).filter(([inner]) => inner.startsWith(`${path}[]`))
    if (!inside.length) return node.bars.slice(0, MAX_BARS)
    const starts = [node.started, ...inside.map(([, state]) => state.started)].filter((value) => value !== null)
    if (!starts.length) return []
    node.started = Math.min(...starts)
    return [[path, node.started, node.finished, node.status]]
  }

  #length(node) {
    if (node.started === null) return ''
    if (node.finished !== null) return this.figures.duration((node.finished - node.started) / 1000)
    return this.board.isFinal ? '' : this.figures.duration((this.board.now - node.started) / 1000)
  }

  #bars(box, bars, span) {
    while (box.childElementCount > bars.length) box.lastElementChild.remove()
    while (box.childElementCount < bars.length) {
      const rect = document.createElementNS(SVG, 'rect')
      rect.setAttribute('class', 'gantt-bar')
      rect.setAttribute('rx', '3')
      box.append(rect)
    }
    const lanes = place(bars)
    const depth = Math.max(0, ...lanes) + 1
    bars.forEach(([path, start, end, status], i) => {
      const rect = box.children[i]
      const until = end ?? this.board.state.end ?? span
      rect.dataset.bar = path
      rect.dataset.nodeStatus = status
      rect.setAttribute('x', `${((100 * start) / span).toFixed(3)}%`)
      rect.setAttribute('width', `${Math.max(0.3, (100 * (until - start)) / span).toFixed(3)}%`)
      rect.setAttribute('y', `${((100 * lanes[i]) / depth).toFixed(2)}%`)
      rect.setAttribute('height', `${((depth > 1 ? 78 : 100) / depth).toFixed(2)}%`)
    })
  }

  #axis(span) {
    const marks = [0, span / 2, span].map((moment) => this.figures.duration(moment / 1000))
    if (this.ticks.childElementCount !== marks.length) {
      this.ticks.replaceChildren(...marks.map(() => document.createElement('span')))
    }
    marks.forEach((words, i) => {
      this.ticks.children[i].textContent = words
    })
  }
}

/** Give each bar (by start) the first lane that is free; what finds none shares the last. */
export function place(bars) {
  const ends = []
  return bars.map(([, start, end]) => {
    let lane = ends.findIndex((busy) => busy <= start)
    if (lane < 0) lane = Math.min(ends.length, LANES - 1)
    ends[lane] = Math.max(ends[lane] ?? 0, end ?? Infinity)
    return lane
  })
}
