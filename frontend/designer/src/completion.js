// What an expression of a node can read: names, what they were in the last run, and where the caret stands.
import { before, graphAt, isObject } from './model.js'
import { t } from './words.js'

const MOST_KEYS = 24
const WORD = /[A-Za-z_][\w.]*(?:\[\d+\][\w.]*)*$/

/** Return `{path, about}` for everything that a node of the open graph may read, nearest first. */
export function readable(designer, id, results) {
  const { definition, scope } = designer
  const found = []
  scope
    .map((_name, depth) => depth)
    .reverse()
    .forEach((depth) => found.push(...bodyNames(designer, graphAt(definition, scope.slice(0, depth)).nodes?.[scope[depth]])))
  for (let depth = scope.length; depth >= 0; depth -= 1) {
    const inner = depth === scope.length ? id : scope[depth]
    const graph = graphAt(definition, scope.slice(0, depth))
    const sources = inner ? before(graph, inner) : Object.keys(graph.nodes ?? {})
    for (const source of sources) {
      const node = graph.nodes[source]
      const card = designer.cards[node?.kind]
      if (!card || card.runs === false) continue
      const output = depth === 0 ? results?.nodes?.[source]?.output : undefined
      found.push(...outputsOf(source, node, card, output))
    }
  }
  const inputs = isObject(definition.inputs?.properties) ? definition.inputs.properties : {}
  for (const [name, schema] of Object.entries(inputs)) found.push({ path: `inputs.${name}`, about: schema?.title || t('Input') })
  for (const name of Object.keys(isObject(definition.variables) ? definition.variables : {})) found.push({ path: `vars.${name}`, about: t('Variable') })
  for (const name of ['id', 'number', 'started_at']) found.push({ path: `run.${name}`, about: t('This run') })
  return [...new Map(found.map((one) => [one.path, one])).values()]
}

function bodyNames(designer, node) {
  const names = designer.cards[node?.kind]?.body_names ?? []
  return names.flatMap((name) =>
    name === 'loop'
      ? [{ path: 'loop.value', about: t('Value of the loop') }, { path: 'loop.index', about: t('Number of the turn, from 0') }]
      : [{ path: name, about: name === 'item' ? t('The item') : t('Number of the item, from 0') }],
  )
}

function outputsOf(id, node, card, output) {
  const title = node.title || id
  const root = `nodes.${id}.output`
  const keys = new Set(card.fields)
  if (isObject(output)) Object.keys(output).slice(0, MOST_KEYS).forEach((key) => keys.add(key))
  const paths = [...keys].filter((key) => /^\w+$/.test(key)).map((key) => `${root}.${key}`)
  const schema = node.settings?.schema?.properties
  const data = isObject(schema) ? Object.keys(schema).map((key) => `${root}.data.${key}`) : []
  const all = [...paths, ...data, root, `nodes.${id}.status`, `nodes.${id}.error`]
  return all.map((path) => ({ path, about: title }))
}

/** Return what a path was in the last run, or undefined. */
export function lastValue(path, results) {
  if (!results) return undefined
  const parts = path.split(/[.[\]]+/).filter(Boolean)
  const roots = { inputs: results.input, nodes: results.nodes, vars: results.variables }
  if (!(parts[0] in roots)) return undefined
  return parts.slice(1).reduce((found, key) => (found === null || found === undefined ? undefined : found[key]), roots[parts[0]])
}

export function short(value, most = 80) {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > most ? `${text.slice(0, most - 1)}…` : text
}

/** Return where in a text a name is being written: `{start, word}`, or null outside of expressions. */
export function wordAt(text, caret, isBare) {
  const head = text.slice(0, caret)
  if (!isBare) {
    const open = Math.max(head.lastIndexOf('{{'), head.lastIndexOf('{%'))
    if (open < 0 || head.indexOf('}}', open) >= 0 || head.indexOf('%}', open) >= 0) return null
  }
  const word = head.match(WORD)?.[0] ?? ''
  return { start: caret - word.length, word }
}

/** Return the best of what can be read for what is typed so far. */
export function matching(options, word) {
  const wanted = word.toLowerCase()
  const rank = ({ path }) => {
    const name = path.toLowerCase()
    if (name === wanted) return 9
    return name.startsWith(wanted) ? 0 : name.includes(wanted) ? 1 : 9
  }
  return options
    .map((option) => [rank(option), option])
    .filter(([value]) => value < 9)
    .sort(([one], [other]) => one - other)
    .slice(0, 40)
    .map(([, option]) => option)
}
