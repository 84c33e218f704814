// Zoom of graphs: fit to the width at first, then as people like it; arrows move between nodes.

const STEP = 1.25
const LEAST = 0.3
const MOST = 2

function enhance(graph) {
  const scroll = graph.querySelector('[data-graph-scroll]')
  const canvas = graph.querySelector('[data-graph-canvas]')
  const tools = graph.querySelector('[data-graph-tools]')
  const { width, height } = canvas.viewBox.baseVal
  let zoom = 1

  function set(value) {
    zoom = Math.min(MOST, Math.max(LEAST, value))
    canvas.setAttribute('width', String(width * zoom))
    canvas.setAttribute('height', String(height * zoom))
  }

  function fit() {
    const room = scroll.clientWidth
    if (room) set(Math.min(1, Math.max(0.5, room / width)))
    scroll.scrollLeft = (scroll.scrollWidth - scroll.clientWidth) / 2
  }

  tools.hidden = false
  tools.addEventListener('click', (event) => {
    const wanted = event.target.closest('[data-zoom]')?.dataset.zoom
    if (wanted === 'in') set(zoom * STEP)
    if (wanted === 'out') set(zoom / STEP)
    if (wanted === 'fit') fit()
  })
  canvas.addEventListener('keydown', (event) => move(event, canvas))
  fit()
}

function move(event, canvas) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (!step || !event.target.matches('.graph-node')) return
  const nodes = [...canvas.querySelectorAll('.graph-node')]
  nodes.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
  const next = nodes[nodes.indexOf(event.target) + step]
  if (!next) return
  event.preventDefault()
  next.focus()
}

/** Bring every graph below an element to life. */
export function startGraphs(root = document) {
  for (const graph of root.querySelectorAll('[data-graph]')) enhance(graph)
}

startGraphs()
