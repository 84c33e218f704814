// Keys of the canvas: what each does while no field is being written in.

const STEP = 12
const FAR = 60
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

export const isWriting = (target) => target.closest?.('input, textarea, select, [contenteditable], dialog') !== null

/** Return the id of the nearest node in a direction from another one, or the first node. */
export function neighbour(positions, from, [dx, dy]) {
  const start = positions[from]
  const ids = Object.keys(positions)
  if (!start) return ids[0] ?? ''
  const scored = ids
    .filter((id) => id !== from)
    .map((id) => {
      const x = positions[id].x - start.x
      const y = positions[id].y - start.y
      const along = x * dx + y * dy
      return { id, along, score: along + 2 * Math.abs(dx ? y : x) }
    })
    .filter(({ along }) => along > 0)
  return scored.sort((one, other) => one.score - other.score)[0]?.id ?? ''
}

/** Handle a key; `does` are the actions of the page. Returns whether the key was one of ours. */
export function press(event, designer, does) {
  const isCommand = event.ctrlKey || event.metaKey
  const isInside = isWriting(event.target)
  if (isCommand && !event.altKey) return command(event, designer, does, isInside)
  if (isInside || event.isComposing) return false
  const arrow = ARROWS[event.key]
  if (arrow) return arrows(event, designer, does, arrow)
  if (isCommand || event.altKey) return false
  // A button has its own Enter and Space.
  if (event.key === 'Enter' && event.target.closest('button, a, summary')) return false
  const plain = plainKeys(designer, does)
  const found = plain[event.key.length === 1 ? event.key.toLowerCase() : event.key]
  return found ? found() !== false : false
}

function command(event, designer, does, isInside) {
  const key = event.key.toLowerCase()
  const everywhere = { s: does.save, enter: does.run }
  if (everywhere[key]) {
    everywhere[key]()
    return true
  }
  if (isInside) return false
  const found = {
    z: () => (event.shiftKey ? designer.redo() : designer.undo()),
    y: () => designer.redo(),
    a: () => designer.selectAll(),
    d: () => designer.duplicate(),
  }[key]
  found?.()
  return found !== undefined
}

function arrows(event, designer, does, [dx, dy]) {
  if (event.altKey) {
    const next = neighbour(designer.positions, does.focused() || designer.chosen, [dx, dy])
    if (next) does.go(next)
    return true
  }
  const focused = does.focused()
  if (focused && !designer.selected.has(focused)) designer.select([focused])
  if (!designer.selected.size || !does.isOnCanvas(event.target)) return false
  const far = event.shiftKey ? FAR : STEP
  designer.nudge(dx * far, dy * far)
  return true
}

function plainKeys(designer, does) {
  // Where the keyboard is counts more than what is chosen.
  const one = () => does.focused() || designer.chosen
  return {
    n: () => does.add(null),
    a: () => does.add(one() ? { source: one(), port: 'out' } : null),
    '/': () => does.add(null),
    Enter: () => (one() ? does.edit(one()) : false),
    ' ': () => (does.focused() ? designer.select([does.focused()]) : false),
    c: () => (one() ? does.connect(one()) : false),
    o: () => (one() && designer.hasBody(one()) ? designer.open([...designer.scope, one()]) : false),
    u: () => does.up(),
    Delete: () => remove(designer, does),
    Backspace: () => remove(designer, does),
    f: () => does.fit(),
    l: () => does.tidy(),
    1: () => does.view('canvas'),
    2: () => does.view('list'),
    3: () => does.view('yaml'),
    '?': () => does.help(),
    Escape: () => does.close(),
  }
}

function remove(designer, does) {
  const focused = does.focused()
  if (focused && !designer.selected.has(focused)) designer.select([focused])
  const gone = designer.chosen
  const next = gone && does.after(gone)
  designer.removeSelected()
  if (next) does.go(next)
}
