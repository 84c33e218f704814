// The start form: a file's text goes into its field, by button or by dropping it there.

const LARGEST = 1024 * 1024

async function take(area, file) {
  const words = area.querySelector('[data-file-words]')
  const text = area.querySelector('textarea')
  words.dataset.wordsIdle ??= words.textContent
  if (file.size > LARGEST) {
    words.textContent = words.dataset.wordsTooLarge
    return
  }
  words.textContent = words.dataset.wordsReading
  try {
    text.value = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
    words.textContent = file.name
  } catch {
    words.textContent = words.dataset.wordsBinary
  }
  text.dispatchEvent(new Event('input', { bubbles: true }))
}

for (const area of document.querySelectorAll('[data-file-drop]')) {
  const input = area.querySelector('[data-file-input]')
  input.addEventListener('change', async () => {
    if (!input.files.length) return
    await take(area, input.files[0])
    // The text is in the field now; the file need not be sent as well.
    input.value = ''
  })
  area.addEventListener('dragover', (event) => {
    if (!event.dataTransfer.types.includes('Files')) return
    event.preventDefault()
    area.classList.add('is-over')
  })
  area.addEventListener('dragleave', () => area.classList.remove('is-over'))
  area.addEventListener('drop', (event) => {
    area.classList.remove('is-over')
    if (!event.dataTransfer.files.length) return
    event.preventDefault()
    take(area, event.dataTransfer.files[0])
  })
}

document.querySelector('[aria-invalid="true"], .field-errors ~ .input')?.focus()
