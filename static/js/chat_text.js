// An answer as it is written: finished parts become sanitised HTML on the server, one after the other and each once;
// the part that is still open stands below them as plain text.

const FENCE = /^ {0,3}(```+|~~~+)/

export class AnswerText {
  /** `element` is where the answer stands; `render(text)` resolves to sanitised HTML. */
  constructor(element, render) {
    this.render = render
    this.text = ''
    this.taken = 0
    this.order = Promise.resolve()
    this.done = document.createElement('div')
    this.done.className = 'chat-done chat-text'
    this.tail = document.createElement('div')
    this.tail.className = 'chat-tail'
    element.replaceChildren(this.done, this.tail)
  }

  /** Show the whole text as it is now. */
  set(text) {
    if (!text.startsWith(this.text.slice(0, this.taken))) this.#begin()
    this.text = text
    const end = lastBreak(text, this.taken)
    if (end > this.taken) {
      const part = text.slice(this.taken, end)
      this.taken = end
      this.#append(part)
    }
    this.#paint()
  }

  #begin() {
    this.taken = 0
    this.order = Promise.resolve()
    const fresh = this.done.cloneNode(false)
    this.done.replaceWith(fresh)
    this.done = fresh
  }

  /** Until a part has come back as HTML it is read as text: nothing that was seen disappears. */
  #append(part) {
    const place = document.createElement('div')
    place.className = 'chat-tail'
    place.textContent = part.trim()
    this.done.append(place)
    this.order = this.order.then(async () => {
      const html = await this.render(part).catch(() => null)
      if (html === null) return
      const parsed = new DOMParser().parseFromString(html, 'text/html')
      place.replaceWith(...parsed.body.childNodes)
    })
  }

  #paint() {
    if (this.isDue) return
    this.isDue = true
    requestAnimationFrame(() => {
      this.isDue = false
      this.tail.textContent = this.text.slice(this.taken).trimStart()
    })
  }
}

/** Return where the last finished part ends: behind an empty line that stands in no block of code. */
export function lastBreak(text, from) {
  let end = from
  let fence = ''
  let at = from
  for (const line of text.slice(from).split('\n')) {
    const mark = FENCE.exec(line)?.[1]
    if (mark && !fence) fence = mark
    else if (mark && mark[0] === fence[0] && mark.length >= fence.length) fence = ''
    at += line.length + 1
    if (!fence && !line.trim() && at <= text.length) end = at
  }
  return end
}
