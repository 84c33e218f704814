// Colours YAML line by line, well enough to read it; what is right or wrong the server says.

const KEY = /^(\s*(?:-\s+)*)("[^"]*"|'[^']*'|[^\s#'"{}[\],&*!|>%@`-][^:#]*?)(:)(?=\s|$)/
const TOKEN = /(\{\{.*?\}\}|\{%.*?%\})|("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|((?:^|\s)#.*$)|(?<![\w.-])(true|false|null|~|-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.-])/gi
const HOLE = /(\{\{.*?\}\}|\{%.*?%\})/g
const BLOCK = /(?:^|[\s:-])[|>][-+0-9]*\s*(?:#.*)?$/
const NAMES = ['hole', 'string', 'comment', 'atom']

/** Say for each line whether it lies inside a block of text (after `|` or `>`). */
export function findBlocks(lines) {
  let indent = -1
  return lines.map((line) => {
    const depth = line.search(/\S/)
    if (indent >= 0 && (depth < 0 || depth > indent)) return true
    indent = BLOCK.test(line) ? Math.max(0, depth) : -1
    return false
  })
}

/** Return the parts of a line as [name, text]; the name is empty for plain text. */
export function split(line, isBlock) {
  if (isBlock) return cut(line, HOLE, ['hole'])
  const parts = []
  const key = line.match(KEY)
  let rest = line
  if (key) {
    parts.push(['', key[1]], ['key', key[2]], ['', key[3]])
    rest = line.slice(key[0].length)
  }
  return parts.concat(cut(rest, TOKEN, NAMES))
}

function cut(text, pattern, names) {
  const parts = []
  let end = 0
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) parts.push(['', text.slice(end, match.index)])
    parts.push([names[match.slice(1).findIndex((group) => group !== undefined)], match[0]])
    end = match.index + match[0].length
  }
  if (end < text.length) parts.push(['', text.slice(end)])
  return parts
}

/** Draw a line as an element. */
export function draw(line, isBlock) {
  const element = document.createElement('div')
  element.className = 'editor-line'
  const indent = line.match(/^ */)[0]
  if (indent) element.append(span('editor-indent', indent))
  for (const [name, text] of split(line.slice(indent.length), isBlock)) {
    if (!name) element.append(text)
    else element.append(span(`yaml-${name}`, text))
  }
  return element
}

function span(name, text) {
  const element = document.createElement('span')
  element.className = name
  element.textContent = text
  return element
}
