// Texts in the reader's language: the page brings a catalogue, English text → text.

let catalogue = {}

export function learn(words) {
  catalogue = words
}

/** Return a text in the reader's language, with `{name}` filled in. */
export function t(text, values = {}) {
  const found = catalogue[text] ?? text
  return found.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole))
}
