// The status that a box of the canvas shows for one node run, or for all items of a body.
import { combined, templatePath } from '../../../static/js/run_board.js'

export function combinedOf(nodes) {
  const counts = {}
  for (const { path, status } of Object.values(nodes)) {
    if (path.endsWith(']')) continue
    const place = templatePath(path)
    counts[place] ??= {}
    counts[place][status] = (counts[place][status] ?? 0) + 1
  }
  return Object.fromEntries(Object.entries(counts).map(([path, found]) => [path, combined(found)]))
}
