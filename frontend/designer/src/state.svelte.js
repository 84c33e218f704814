// The designer's state: the definition, what is open and chosen, and the way back through every change.
import { arrange, positionsOf } from './layout.js'
import * as model from './model.js'
import { t } from './words.js'

const SAME_CHANGE_MS = 1200
const MOST_STEPS = 300
const CLIPBOARD = 'orchestra.nodes'

export class Designer {
  definition = $state.raw({ nodes: {} })
  /** Ids of the nodes whose bodies are open, outermost first; [] shows the workflow itself. */
  scope = $state.raw([])
  selected = $state.raw(new Set())
  selectedEdges = $state.raw(new Set())
  past = $state.raw([])
  future = $state.raw([])
  /** Rises when the selection or the places are set from here, so that the canvas takes them over. */
  pushed = $state(0)
  said = $state('')
  /** What a new node is to follow: `{source, port}` or null, and where it is to stand. */
  adding = $state.raw(null)
  /** Where the canvas is looking; a new node without a predecessor goes there. */
  centre = () => null

  graph = $derived(model.graphAt(this.definition, this.scope))
  positions = $derived(positionsOf(this.graph))
  edges = $derived(model.edgesOf(this.graph))
  chosen = $derived(this.selected.size === 1 ? [...this.selected][0] : '')

  #last = { key: '', at: 0 }

  constructor({ definition, kinds, canEdit }) {
    this.definition = model.isObject(definition) ? definition : { orchestra: 1, nodes: {} }
    this.cards = Object.fromEntries(kinds.map((card) => [card.name, card]))
    this.kinds = kinds
    this.canEdit = canEdit
  }

  node(id) {
    return model.isObject(this.graph.nodes) ? this.graph.nodes[id] : undefined
  }

  card(id) {
    return this.cards[this.node(id)?.kind]
  }

  nameOf(id) {
    return this.node(id)?.title || id
  }

  ports(id) {
    const used = this.edges.filter(({ source }) => source === id).map(({ port }) => port)
    return model.portsOf(this.card(id), this.node(id) ?? {}, used)
  }

  portName(port) {
    return { out: t('done'), error: t('on error') }[port] ?? port
  }

  // Changing. ---------------------------------------------------------------------------------------------

  /** Make a change that can be undone. Changes with the same key in quick succession are one step. */
  change(next, { key = '', select = null, words = '' } = {}) {
    if (next === this.definition) return
    const now = Date.now()
    const isSame = key && key === this.#last.key && now - this.#last.at < SAME_CHANGE_MS
    if (!isSame) this.past = [...this.past.slice(-MOST_STEPS), this.#moment()]
    this.#last = { key, at: now }
    this.future = []
    this.definition = next
    if (select) this.select(select)
    else this.#prune()
    this.pushed += 1
    if (words) this.said = words
  }

  changeGraph(change, options) {
    this.change(model.changeGraph(this.definition, this.scope, change), options)
  }

  #moment() {
    return { definition: this.definition, scope: this.scope, selected: this.selected }
  }

  #prune() {
    const kept = [...this.selected].filter((id) => this.node(id))
    if (kept.length !== this.selected.size) this.selected = new Set(kept)
    const edges = new Set(this.edges.map(({ id }) => id))
    if ([...this.selectedEdges].some((id) => !edges.has(id))) this.selectedEdges = new Set()
  }

  undo() {
    this.#travel('past', 'future', t('Undone'))
  }

  redo() {
    this.#travel('future', 'past', t('Done again'))
  }

  #travel(from, to, words) {
    const moment = this[from].at(-1)
    if (!moment) return
    this[to] = [...this[to], this.#moment()]
    this[from] = this[from].slice(0, -1)
    this.definition = moment.definition
    this.scope = moment.scope
    this.selected = moment.selected
    this.#last = { key: '', at: 0 }
    this.#prune()
    this.pushed += 1
    this.said = words
  }

  // Choosing. ---------------------------------------------------------------------------------------------

  select(ids, edges = []) {
    this.selected = new Set(ids)
    this.selectedEdges = new Set(edges)
    this.pushed += 1
  }

  /** What the canvas says is chosen. */
  chose(ids, edges) {
    const isSame = (set, list) => set.size === list.length && list.every((one) => set.has(one))
    if (!isSame(this.selected, ids)) this.selected = new Set(ids)
    if (!isSame(this.selectedEdges, edges)) this.selectedEdges = new Set(edges)
  }

  selectAll() {
    this.select(model.nodesOf(this.graph).map(([id]) => id))
  }

  open(scope, ids = []) {
    this.scope = scope
    this.select(ids)
  }

  hasBody(id) {
    return Object.values(this.card(id)?.schema?.properties ?? {}).some((schema) => schema.format === 'graph')
  }

  // Nodes and edges. --------------------------------------------------------------------------------------

  /** Add a node: after `adding`, else after the one chosen node when asked to, at a position or a free place. */
  add(kind, { position = null, after = this.adding } = {}) {
    const card = this.cards[kind]
    if (!card || !this.canEdit) return ''
    const source = card.runs ? after?.source : ''
    const where =
      position ?? after?.position ?? (source || !this.centre() ? model.placeAfter(this.positions, source ? [source] : []) : this.#free(this.centre()))
    const needs = source ? [model.writeNeed(source, after.port)] : []
    const { id, graph } = model.addNode(this.#placed(), card, where, needs)
    this.adding = null
    this.changeGraph(() => graph, { select: [id], words: t('{node} was added', { node: card.title }) })
    return id
  }

  #free({ x, y }) {
    const taken = Object.values(this.positions)
    const place = { x: x - model.NODE_WIDTH / 2, y: y - model.NODE_HEIGHT / 2 }
    while (taken.some((one) => Math.abs(one.x - place.x) < model.NODE_WIDTH + 24 && Math.abs(one.y - place.y) < model.NODE_HEIGHT + 16)) {
      place.x += model.NODE_WIDTH / 4
    }
    return place
  }

  /** The graph with every node's place written down, so that nothing jumps when one of them moves. */
  #placed() {
    const open = model.nodesOf(this.graph).filter(([, node]) => !model.placeOf(node))
    return open.length ? model.place(this.graph, this.positions) : this.graph
  }

  whyNot(source, port, target) {
    return model.whyNotConnect(this.graph, source, port, target)
  }

  connect(source, port, target) {
    if (!this.canEdit || this.whyNot(source, port, target)) return false
    if (this.card(target)?.runs === false || this.card(source)?.runs === false) return false
    const words = t('{source} leads to {target} now', { source: this.nameOf(source), target: this.nameOf(target) })
    this.changeGraph((graph) => model.connect(graph, source, port, target), { words })
    return true
  }

  disconnect(edges) {
    if (this.canEdit && edges.length) this.changeGraph((graph) => model.disconnect(graph, edges), { words: t('Connection removed') })
  }

  removeSelected() {
    if (!this.canEdit) return
    const edges = this.edges.filter(({ id }) => this.selectedEdges.has(id))
    const ids = [...this.selected]
    if (!ids.length && !edges.length) return
    const words = ids.length ? t('Removed: {names}', { names: ids.map((id) => this.nameOf(id)).join(', ') }) : t('Connection removed')
    this.changeGraph((graph) => model.removeNodes(model.disconnect(graph, edges), ids), { select: [], words })
  }

  remove(id) {
    this.select([id])
    this.removeSelected()
  }

  move(positions, key = '') {
    if (this.canEdit) this.changeGraph(() => model.place(this.#placed(), positions), { key })
  }

  nudge(dx, dy) {
    const moved = [...this.selected].map((id) => [id, { x: this.positions[id].x + dx, y: this.positions[id].y + dy }])
    this.move(Object.fromEntries(moved), 'nudge')
  }

  tidy() {
    if (!this.canEdit) return
    this.changeGraph((graph) => model.place(graph, arrange(graph)), { words: t('The graph is laid out anew') })
  }

  rename(old, id) {
    if (old === id || !model.ID.test(id) || this.node(id)) return false
    this.change(model.renameNode(this.definition, this.scope, old, id), { select: [id] })
    return true
  }

  set(id, path, value) {
    const place = [...model.graphPath(this.scope), 'nodes', id, ...path]
    this.change(model.setIn(this.definition, place, value), { key: place.join('/') })
  }

  setTop(path, value) {
    this.change(model.setIn(this.definition, path, value), { key: path.join('/') })
  }

  // Copying: through the clipboard's text, so that it also works between two windows. ----------------------

  copied() {
    const nodes = model.nodesOf(this.#placed()).filter(([id]) => this.selected.has(id))
    return nodes.length ? JSON.stringify({ [CLIPBOARD]: nodes }) : ''
  }

  paste(text, shift = { x: 40, y: 40 }) {
    let nodes
    try {
      nodes = JSON.parse(text)?.[CLIPBOARD]
    } catch {
      return false
    }
    const isGood = Array.isArray(nodes) && nodes.every(([id, node]) => model.ID.test(id) && model.isObject(node))
    if (!this.canEdit || !isGood || !nodes.length) return false
    const { ids, graph } = model.paste(this.#placed(), nodes, shift)
    this.changeGraph(() => graph, { select: ids, words: t('Pasted nodes: {n}', { n: ids.length }) })
    return true
  }

  duplicate() {
    return this.paste(this.copied())
  }

  // Bodies and expressions. -------------------------------------------------------------------------------

  /** The path of a node of the open graph as problems name it. */
  pathOf(id) {
    return [...model.graphPath(this.scope), 'nodes', id].join('.')
  }

  /** The path of a node of the open graph as runs name it: `views[].draft`. */
  runPath(id) {
    return [...this.scope.map((name) => `${name}[]`), id].join('.')
  }
}
