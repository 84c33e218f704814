// Three-way merge of definitions: what only one side changed is taken, what both changed otherwise is asked.
import { isObject, setIn } from './model.js'

/** Whether two JSON values are the same, whatever the order of keys. */
export function same(one, other) {
  if (one === other) return true
  if (Array.isArray(one)) return Array.isArray(other) && one.length === other.length && one.every((value, i) => same(value, other[i]))
  if (!isObject(one) || !isObject(other)) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length && keys.every((key) => key in other && same(one[key], other[key]))
}

/**
 * Merge what two people made of the same definition.
 *
 * Returns `{merged, conflicts: [{path, base, mine, theirs}]}`; where both changed the same thing, `merged` has mine.
 * Edges (`needs`) are sets: what one added and the other took away does not conflict.
 */
export function merge(base, mine, theirs, path = []) {
  if (same(mine, theirs) || same(base, theirs)) return { merged: mine, conflicts: [] }
  if (same(base, mine)) return { merged: theirs, conflicts: [] }
  if (path.at(-1) === 'needs') return { merged: mergeSets(base ?? [], mine ?? [], theirs ?? []), conflicts: [] }
  const isPlace = path.at(-1) === 'ui'
  if (!isObject(mine) || !isObject(theirs) || isPlace) {
    return { merged: mine, conflicts: isPlace ? [] : [{ path, base, mine, theirs }] }
  }
  const origin = isObject(base) ? base : {}
  const merged = {}
  const conflicts = []
  for (const key of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
    const inner = merge(origin[key], mine[key], theirs[key], [...path, key])
    conflicts.push(...inner.conflicts)
    if (inner.merged !== undefined) merged[key] = inner.merged
  }
  return { merged, conflicts }
}

function mergeSets(base, mine, theirs) {
  const kept = mine.filter((one) => theirs.includes(one) || !base.includes(one))
  return [...kept, ...theirs.filter((one) => !base.includes(one) && !kept.includes(one))]
}

/** Return the definition in which each conflict is decided; `picks` says mine or theirs by index. */
export function decide(merged, conflicts, picks) {
  return conflicts.reduce(
    (definition, conflict, index) => (picks[index] === 'theirs' ? setIn(definition, conflict.path, conflict.theirs) : definition),
    merged,
  )
}

/** Say of each node of two graphs whether it is added, removed, changed or the same (left out). */
export function compareGraphs(old, now) {
  const before = old?.nodes ?? {}
  const after = now?.nodes ?? {}
  const marks = {}
  for (const id of Object.keys({ ...before, ...after })) {
    if (!(id in before)) marks[id] = 'added'
    else if (!(id in after)) marks[id] = 'removed'
    else if (!same({ ...before[id], ui: null }, { ...after[id], ui: null })) marks[id] = 'changed'
  }
  return marks
}
