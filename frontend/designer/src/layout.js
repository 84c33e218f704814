// Places for nodes: those that people gave, and those that dagre finds.
import dagre from '@dagrejs/dagre'

import { edgesOf, NODE_HEIGHT, NODE_WIDTH, nodesOf, placeAfter, placeOf } from './model.js'

/** Return a place for every node of a graph, from the top down. */
export function arrange(graph) {
  const drawing = new dagre.graphlib.Graph()
  drawing.setGraph({ rankdir: 'TB', nodesep: 40, ranksep: 64, marginx: 0, marginy: 0 })
  drawing.setDefaultEdgeLabel(() => ({}))
  for (const [id] of nodesOf(graph)) drawing.setNode(id, { width: NODE_WIDTH, height: NODE_HEIGHT })
  for (const { source, target } of edgesOf(graph)) drawing.setEdge(source, target)
  dagre.layout(drawing)
  return Object.fromEntries(
    drawing.nodes().map((id) => {
      const { x, y } = drawing.node(id)
      return [id, { x: Math.round(x - NODE_WIDTH / 2), y: Math.round(y - NODE_HEIGHT / 2) }]
    }),
  )
}

/** Return where every node stands: as the definition says, else below what it comes after; dagre where nothing is said. */
export function positionsOf(graph) {
  const known = {}
  const open = []
  for (const [id, node] of nodesOf(graph)) {
    const position = placeOf(node)
    if (position) known[id] = position
    else open.push(id)
  }
  if (!open.length) return known
  if (!Object.keys(known).length) return arrange(graph)
  const sources = Object.groupBy ? Object.groupBy(edgesOf(graph), ({ target }) => target) : {}
  for (const id of open) known[id] = placeAfter(known, (sources[id] ?? []).map(({ source }) => source))
  return known
}
