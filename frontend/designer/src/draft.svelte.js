// The draft on the server: saving with If-Match, merging what others saved meanwhile, problems, publishing.
import { get, getTagged, post, put, Refused } from './api.js'
import { decide, merge, same } from './merge.js'
import { t } from './words.js'

const CHECK_PAUSE = 300

export class Draft {
  /** saved, changed, saving, failed */
  isSaving = $state(false)
  failure = $state('')
  problems = $state.raw([])
  plan = $state.raw(null)
  isChecked = $state(false)
  /** `{conflicts, merged, definition, etag}` while somebody else's changes wait for a decision. */
  conflict = $state.raw(null)
  base = $state.raw(null)
  isChanged = $derived.by(() => this.designer.definition !== this.base && !same(this.designer.definition, this.base))
  state = $derived(this.isSaving ? 'saving' : this.failure ? 'failed' : this.isChanged ? 'changed' : 'saved')

  #timer = 0
  #asked = 0

  constructor(designer, { urls, draft, toast }) {
    this.designer = designer
    this.urls = urls
    this.toast = toast
    this.base = designer.definition
    this.etag = draft.etag
    this.problems = draft.problems
  }

  checkSoon() {
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => this.check(), CHECK_PAUSE)
  }

  async check() {
    const mine = ++this.#asked
    try {
      const found = await post(this.urls.validate, { definition: this.designer.definition })
      if (mine !== this.#asked) return
      this.problems = found.problems
      this.plan = found.plan ?? null
      this.isChecked = true
    } catch (error) {
      if (error instanceof Refused && error.problems.length) this.problems = error.problems
    }
  }

  /** Save; return whether the draft on the server is what the canvas shows. */
  async save() {
    if (this.isSaving || this.conflict) return false
    if (!this.isChanged) return true
    this.isSaving = true
    this.failure = ''
    const sent = this.designer.definition
    try {
      const { data, etag } = await put(this.urls.draft, { definition: sent, allow_problems: true }, this.etag)
      this.#saved(sent, etag, data)
      return true
    } catch (error) {
      if (error instanceof Refused && error.status === 412) {
        this.isSaving = false
        return await this.#meet()
      }
      this.failure = error instanceof Refused ? error.message : t('The server cannot be reached. Nothing is lost: try again.')
      return false
    } finally {
      this.isSaving = false
    }
  }

  #saved(definition, etag, data) {
    this.base = definition
    this.etag = etag
    this.problems = data.problems
  }

  /** Somebody else has saved: take over what does not conflict, and ask about the rest. */
  async #meet() {
    const { data, etag } = await getTagged(this.urls.draft)
    const theirs = data.definition
    const { merged, conflicts } = merge(this.base, this.designer.definition, theirs)
    if (conflicts.length) {
      this.conflict = { conflicts, merged, theirs, etag }
      return false
    }
    this.#adopt(merged, theirs, etag)
    this.toast(t('Somebody else has saved this draft; your changes and theirs are together now.'), 'info')
    return await this.save()
  }

  #adopt(definition, theirs, etag) {
    this.base = theirs
    this.etag = etag
    this.designer.change(definition)
  }

  /** Decide a conflict: `picks` says mine or theirs for each; then save. */
  async settle(picks) {
    const { conflicts, merged, theirs, etag } = this.conflict
    this.conflict = null
    this.#adopt(decide(merged, conflicts, picks), theirs, etag)
    return await this.save()
  }

  /** See whether others have saved while nothing was changed here, and show what they made. */
  async look() {
    if (this.isSaving || this.conflict || this.isChanged) return
    try {
      const { data, etag } = await getTagged(this.urls.draft)
      if (etag === this.etag || this.isChanged || this.isSaving) return
      const isNew = !same(data.definition, this.base)
      this.base = data.definition
      this.etag = etag
      if (isNew) {
        this.designer.change(data.definition)
        this.toast(t('Somebody else has changed this draft; the canvas shows it.'), 'info')
      }
    } catch {
      // The next look will tell.
    }
  }

  async publish(note) {
    if (!(await this.save())) return null
    try {
      return await post(this.urls.versions, note ? { note } : {})
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (error.problems.length) this.problems = error.problems
      this.failure = error.message
      return null
    }
  }

  versions() {
    return get(this.urls.versions)
  }

  version(number) {
    return get(`${this.urls.versions}/${number}`)
  }
}
