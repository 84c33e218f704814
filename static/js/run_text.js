// Text as models write it: kept by node run, shown in the cards "being written now" and in the open panel.

const CARDS = 4
const TAIL = 1200
const LINGER = 1800

export class Texts {
  /** `name(path)` gives a node run's title, `address(path)` the address of its panel. */
  constructor({ section, name, address }) {
    this.section = section
    this.grid = section?.querySelector('[data-writing-grid]')
    this.template = document.querySelector('[data-writing-template]').content
    this.name = name
    this.address = address
    this.texts = new Map()
    this.cards = new Map()
    this.dirty = new Set()
    this.ended = new Set()
  }

  /** A piece of text, or all of it so far. Pieces that are already there are left out. */
  take(event) {
    const { path, attempt, index, text } = event.data
    let known = this.texts.get(path)
    if (known && attempt < known.attempt) return
    if (!known || attempt > known.attempt) {
      known = { attempt, index: 0, text: '' }
      this.texts.set(path, known)
      this.ended.delete(path)
    }
    if (event.type === 'node.text') {
      if (index < known.index) return
      known.text = text
    } else {
      if (index <= known.index) return
      known.text += text
    }
    known.index = index
    this.#show(path)
  }

  /** A node run has ended: its card stays for a moment, or until another needs the place. */
  settle(path) {
    this.ended.add(path)
    const card = this.cards.get(path)
    if (!card) return
    card.dataset.done = ''
    window.setTimeout(() => this.#drop(path, card), LINGER)
  }

  /** The run is over: nothing is written any more. */
  close() {
    this.dirty.clear()
    if (this.section) this.section.hidden = true
    this.section = null
  }

  /** Write what is known of a node run into an element, and keep it up to date. */
  fill(element) {
    const known = this.texts.get(element.dataset.nodeText)
    if (!known) return
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40
    element.textContent = known.text
    if (isAtEnd) element.scrollTop = element.scrollHeight
  }

  #show(path) {
    if (!this.dirty.size) requestAnimationFrame(() => this.#paint())
    this.dirty.add(path)
  }

  #paint() {
    for (const path of this.dirty) {
      const card = this.cards.get(path) ?? this.#card(path)
      if (card) {
        const box = card.querySelector('[data-writing-text]')
        const { text } = this.texts.get(path)
        box.textContent = text.length > TAIL ? `…${text.slice(-TAIL)}` : text
        box.scrollTop = box.scrollHeight
        box.classList.toggle('is-long', box.scrollTop > 0)
      }
    }
    for (const element of document.querySelectorAll('[data-node-text]')) {
      if (this.dirty.has(element.dataset.nodeText)) this.fill(element)
    }
    this.dirty.clear()
  }

  #card(path) {
    if (!this.section || this.ended.has(path)) return null
    if (this.cards.size >= CARDS) {
      const done = [...this.cards].find(([, card]) => 'done' in card.dataset)
      if (!done) return null
      this.#drop(...done)
    }
    const card = this.template.cloneNode(true).firstElementChild
    card.dataset.writingPath = path
    const link = card.querySelector('[data-writing-title]')
    link.textContent = this.name(path)
    link.href = this.address(path)
    link.dataset.nodeLink = ''
    this.grid.append(card)
    this.cards.set(path, card)
    return card
  }

  #drop(path, card) {
    if (this.cards.get(path) !== card) return
    card.remove()
    this.cards.delete(path)
  }
}
