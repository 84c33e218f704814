// Definitions and what can be done to them. Everything here is pure: it returns a new definition that shares what stayed.

export const ID = /^[a-z][a-z0-9_]{0,62}$/
export const NODE_WIDTH = 224
export const NODE_HEIGHT = 58
export const OUT = 'out'
export const ERROR = 'error'
const GAP = 48
const HOLE_TEXT = /\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}/g

export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Return a value with what stands at a path (keys and indexes) replaced; undefined takes it away. */
export function setIn(value, path, wanted) {
  if (!path.length) return wanted
  const [key, ...rest] = path
  if (Array.isArray(value)) {
    const list = [...value]
    const inner = setIn(list[key], rest, wanted)
    if (inner === undefined && !rest.length) list.splice(key, 1)
    else list[key] = inner
    return list
  }
  const { [key]: old, ...others } = isObject(value) ? value : {}
  const inner = setIn(old, rest, wanted)
  if (inner === undefined) return others
  return isObject(value) && key in value ? { ...value, [key]: inner } : { ...others, [key]: inner }
}

export function getIn(value, path) {
  return path.reduce((found, key) => (found === null || found === undefined ? undefined : found[key]), value)
}

// Graphs: the workflow's own, and the bodies of maps and loops. -----------------------------------------

/** Return the path of keys to the graph inside these nodes: [] is the workflow's own. */
export const graphPath = (scope) => scope.flatMap((id) => ['nodes', id, 'settings', 'body'])

export const graphAt = (definition, scope) => getIn(definition, graphPath(scope)) ?? { nodes: {} }

export const nodesOf = (graph) => Object.entries(isObject(graph?.nodes) ? graph.nodes : {}).filter(([, node]) => isObject(node))

export function changeGraph(definition, scope, change) {
  return setIn(definition, graphPath(scope), change(graphAt(definition, scope)))
}

export function parseNeed(need) {
  const [source, port = OUT] = String(need).split('.')
  return { source, port }
}

export const writeNeed = (source, port) => (port === OUT ? source : `${source}.${port}`)

export function needsOf(node) {
  const needs = Array.isArray(node.needs) ? node.needs : typeof node.needs === 'string' ? [node.needs] : []
  return needs.map(parseNeed)
}

export const edgeId = (source, port, target) => `${source}.${port}>${target}`

export function edgesOf(graph) {
  const nodes = Object.fromEntries(nodesOf(graph))
  return Object.entries(nodes).flatMap(([target, node]) =>
    needsOf(node)
      .filter(({ source }) => source in nodes && source !== target)
      .map(({ source, port }) => ({ id: edgeId(source, port, target), source, port, target })),
  )
}

/** Return the ports of a node besides `error`, first `out`; those that edges name already are among them. */
export function portsOf(card, node, used = []) {
  const settings = isObject(node.settings) ? node.settings : {}
  const own =
    node.kind === 'branch'
      ? [...(Array.isArray(settings.cases) ? settings.cases : []).map((one) => one?.name), settings.else || 'else']
      : (card?.ports ?? [])
  return [...new Set([OUT, ...own, ...used])].filter((name) => name && name !== ERROR && ID.test(name))
}

/** Return the ids of all nodes that come before a node, nearest first. */
export function before(graph, id) {
  const nodes = isObject(graph?.nodes) ? graph.nodes : {}
  const found = []
  const waiting = [id]
  while (waiting.length) {
    for (const { source } of needsOf(nodes[waiting.shift()] ?? {})) {
      if (source in nodes && source !== id && !found.includes(source)) {
        found.push(source)
        waiting.push(source)
      }
    }
  }
  return found
}

/** Return ids so that each stands after what it needs; what goes in circles keeps its place. */
export function inOrder(graph) {
  const ids = nodesOf(graph).map(([id]) => id)
  const done = new Set()
  const visit = (id, path) => {
    if (done.has(id) || path.has(id)) return
    for (const { source } of needsOf(graph.nodes[id])) if (source in graph.nodes) visit(source, new Set([...path, id]))
    done.add(id)
  }
  for (const id of ids) visit(id, new Set())
  return [...done]
}

export function whyNotConnect(graph, source, port, target) {
  if (source === target) return 'self'
  if (needsOf(graph.nodes[target] ?? {}).some((need) => need.source === source && need.port === port)) return 'double'
  return before(graph, source).includes(target) ? 'circle' : ''
}

// Changes of one graph. -----------------------------------------------------------------------------------

export function freeId(graph, wanted) {
  const stem = wanted.toLowerCase().replace(/[^a-z0-9_]+/g, '_').replace(/^[^a-z]+/, '').slice(0, 50) || 'node'
  const nodes = graph.nodes ?? {}
  if (!(stem in nodes)) return stem
  for (let n = 2; ; n += 1) if (!(`${stem}_${n}` in nodes)) return `${stem}_${n}`
}

/** Return the settings that a new node of a kind begins with: what is required and has a sensible beginning. */
export function firstSettings(card) {
  if (card.name === 'branch') return { cases: [{ name: 'yes', when: 'true' }], else: 'no' }
  const { properties = {}, required = [] } = card.schema ?? {}
  const settings = {}
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.format === 'graph') settings[name] = { nodes: {} }
    else if (required.includes(name) && 'default' in schema) settings[name] = structuredClone(schema.default)
    else if (required.includes(name) && schema.type === 'integer') settings[name] = Math.min(schema.maximum ?? 10, 10)
  }
  return settings
}

export function addNode(graph, card, position, needs = []) {
  const id = freeId(graph, card.name)
  const node = { kind: card.name }
  if (needs.length) node.needs = needs
  node.settings = firstSettings(card)
  node.ui = at(position)
  return { id, graph: { ...graph, nodes: { ...graph.nodes, [id]: node } } }
}

export function removeNodes(graph, ids) {
  const gone = new Set(ids)
  const kept = nodesOf(graph).filter(([id]) => !gone.has(id))
  return { ...graph, nodes: Object.fromEntries(kept.map(([id, node]) => [id, without(node, ({ source }) => gone.has(source))])) }
}

function without(node, isGone) {
  if (!needsOf(node).some(isGone)) return node
  const needs = needsOf(node).filter((need) => !isGone(need)).map(({ source, port }) => writeNeed(source, port))
  const { needs: _old, ...rest } = node
  return needs.length ? { ...node, needs } : rest
}

export function connect(graph, source, port, target) {
  const node = graph.nodes[target]
  const needs = [...needsOf(node).map((need) => writeNeed(need.source, need.port)), writeNeed(source, port)]
  const { kind, title, needs: _old, ...rest } = node
  const head = title === undefined ? { kind } : { kind, title }
  return { ...graph, nodes: { ...graph.nodes, [target]: { ...head, needs, ...rest } } }
}

export function disconnect(graph, edges) {
  const nodes = { ...graph.nodes }
  for (const { source, port, target } of edges) {
    if (nodes[target]) nodes[target] = without(nodes[target], (need) => need.source === source && need.port === port)
  }
  return { ...graph, nodes }
}

const at = ({ x, y }) => ({ x: Math.round(x), y: Math.round(y) })

export function place(graph, positions) {
  const nodes = { ...graph.nodes }
  for (const [id, position] of Object.entries(positions)) {
    if (nodes[id]) nodes[id] = { ...nodes[id], ui: { ...(isObject(nodes[id].ui) ? nodes[id].ui : {}), ...at(position) } }
  }
  return { ...graph, nodes }
}

export const placeOf = (node) => (Number.isFinite(node.ui?.x) && Number.isFinite(node.ui?.y) ? { x: node.ui.x, y: node.ui.y } : null)

/** Give a node another id: in its edges, and in the expressions that read it. */
export function renameNode(definition, scope, old, id) {
  const inGraph = changeGraph(definition, scope, (graph) => {
    const nodes = nodesOf(graph).map(([name, node]) => {
      const needs = needsOf(node).map(({ source, port }) => writeNeed(source === old ? id : source, port))
      return [name === old ? id : name, needsOf(node).some(({ source }) => source === old) ? { ...node, needs } : node]
    })
    return reread({ ...graph, nodes: Object.fromEntries(nodes) }, old, id)
  })
  return inGraph
}

function reread(value, old, id) {
  const name = new RegExp(`\\bnodes\\.${old}\\b`, 'g')
  const walk = (inner, key) => {
    if (typeof inner === 'string') {
      if (['when', 'until', 'while'].includes(key)) return inner.replace(name, `nodes.${id}`)
      return inner.replace(HOLE_TEXT, (hole) => hole.replace(name, `nodes.${id}`))
    }
    if (Array.isArray(inner)) return inner.map((one) => walk(one, key))
    if (isObject(inner)) return Object.fromEntries(Object.entries(inner).map(([inside, one]) => [inside, walk(one, inside)]))
    return inner
  }
  return walk(value, '')
}

/** Return the graph with copies of nodes in it and the ids of the copies; edges between them are kept. */
export function paste(graph, copied, shift) {
  const names = {}
  let next = graph
  for (const [id] of copied) {
    names[id] = freeId(next, id.replace(/_\d+$/, ''))
    next = { ...next, nodes: { ...next.nodes, [names[id]]: {} } }
  }
  const nodes = { ...next.nodes }
  for (const [id, node] of copied) {
    const { needs: _old, ...rest } = structuredClone(node)
    const needs = needsOf(node).filter(({ source }) => source in names).map(({ source, port }) => writeNeed(names[source], port))
    const position = placeOf(node) ?? { x: 0, y: 0 }
    const made = { ...rest, ui: { ...(rest.ui ?? {}), ...at({ x: position.x + shift.x, y: position.y + shift.y }) } }
    nodes[names[id]] = needs.length ? { kind: made.kind, needs, ...made } : made
  }
  return { ids: Object.values(names), graph: { ...next, nodes } }
}

/** Return a place for a node after others: below them, beside what stands there already. */
export function placeAfter(positions, sources) {
  const all = Object.values(positions)
  const above = sources.map((id) => positions[id]).filter(Boolean)
  if (!above.length) {
    if (!all.length) return { x: 0, y: 0 }
    return { x: Math.min(...all.map(({ x }) => x)), y: Math.max(...all.map(({ y }) => y)) + NODE_HEIGHT + GAP }
  }
  let x = above.reduce((sum, one) => sum + one.x, 0) / above.length
  const y = Math.max(...above.map((one) => one.y)) + NODE_HEIGHT + GAP
  const isTaken = () => all.some((one) => Math.abs(one.x - x) < NODE_WIDTH && Math.abs(one.y - y) < NODE_HEIGHT)
  while (isTaken()) x += NODE_WIDTH + GAP / 2
  return { x, y }
}

/** Split a problem's path: the bodies that it lies in, the node, and the keys below that. */
export function readPath(path) {
  const scope = []
  let rest = path
  for (;;) {
    const found = rest.match(/^nodes\.([a-z][a-z0-9_]*)(?:\.|$)(.*)$/)
    if (!found) return { scope, id: '', rest }
    const inner = found[2].match(/^settings\.body\.(nodes\..*)$/)
    if (!inner) return { scope, id: found[1], rest: found[2] }
    scope.push(found[1])
    rest = inner[1]
  }
}
