// The panel of one node: opened from the graph, the timeline or a list, kept fresh while the run goes on.

import { templatePath } from './run_board.js'

const FRESH = 250
const FRESH_LISTS = 1500

export class Panel {
  constructor({ dialog, address, onFill }) {
    this.dialog = dialog
    this.address = address
    this.onFill = onFill
    this.url = ''
    this.path = ''
    this.timer = 0
    this.asked = 0
    document.addEventListener('click', (event) => this.#clicked(event))
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && dialog.open && !document.querySelector('dialog:modal')) this.close()
    })
    const named = new URL(location.href).searchParams.get('node')
    if (named) this.open(this.address(named))
  }

  /** Open a node's panel by its address. */
  async open(url, opener = document.activeElement) {
    this.url = url
    this.opener = this.dialog.open ? this.opener : opener
    await this.#read(true)
  }

  close() {
    this.url = this.path = ''
    window.clearTimeout(this.timer)
    this.dialog.close()
    this.#mark()
    this.opener?.focus?.()
    remember('')
  }

  /** Something happened at a node: read the panel again when it is the one that is shown. */
  touch(path) {
    if (!this.path || this.timer) return
    const isList = this.path.includes('[]') || path.startsWith(`${this.path}[`)
    const isShown = isList ? templatePath(path).startsWith(templatePath(this.path)) : path === this.path
    if (!isShown) return
    this.timer = window.setTimeout(() => {
      this.timer = 0
      this.#read(false)
    }, isList ? FRESH_LISTS : FRESH)
  }

  #clicked(event) {
    if (event.target.closest('[data-panel-close]')) return this.close()
    const link = event.target.closest('a[data-node-link], a.graph-node[href]')
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return
    event.preventDefault()
    this.open(link.href.baseVal ?? link.href, link)
  }

  async #read(isNew) {
    const asked = (this.asked += 1)
    let html
    try {
      const answer = await fetch(this.url, { headers: { 'X-Requested-With': 'fetch' } })
      if (!answer.ok) throw new Error(String(answer.status))
      html = await answer.text()
    } catch {
      if (!isNew) return
      html = document.querySelector('[data-panel-failed]').innerHTML
    }
    if (asked !== this.asked || !this.url) return
    this.#fill(html, isNew)
  }

  #fill(html, isNew) {
    const body = () => this.dialog.querySelector('.dialog-body')
    const kept = isNew ? 0 : (body()?.scrollTop ?? 0)
    const folds = isNew ? [] : [...this.dialog.querySelectorAll('details')].map((fold) => fold.open)
    this.dialog.innerHTML = html
    this.dialog.querySelectorAll('details').forEach((fold, i) => {
      if (i < folds.length) fold.open = folds[i]
    })
    for (const button of this.dialog.querySelectorAll('[data-copy][hidden]')) button.hidden = false
    this.path = this.dialog.querySelector('[data-panel-path]')?.dataset.panelPath ?? ''
    if (!this.dialog.open) this.dialog.show()
    this.onFill(this.dialog)
    if (isNew) {
      this.dialog.querySelector('[data-panel-title]')?.focus({ preventScroll: true })
      remember(this.path)
    } else if (body()) body().scrollTop = kept
    this.#mark()
  }

  #mark() {
    for (const chosen of document.querySelectorAll('.is-chosen')) chosen.classList.remove('is-chosen')
    if (!this.path) return
    const path = CSS.escape(templatePath(this.path))
    for (const found of document.querySelectorAll(`.graph-node[data-node-path="${path}"], .gantt-row[data-node-path="${path}"]`)) {
      found.classList.add('is-chosen')
    }
  }
}

function remember(path) {
  const url = new URL(location.href)
  if (path) url.searchParams.set('node', path)
  else url.searchParams.delete('node')
  history.replaceState(null, '', url)
}
