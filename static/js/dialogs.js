// Dialogs and drawers: open, close, and the question before something that cannot be undone.

/** Open the dialog with this id, modally. */
export function openTarget(id) {
  const dialog = document.getElementById(id)
  if (dialog && !dialog.open) dialog.showModal()
}

/** Close the dialog around an element. */
export function closeNearest(element) {
  element.closest('dialog')?.close()
}

/**
 * Hold back a form whose button (or itself) carries `data-confirm`, and ask in the page's own dialog.
 * Returns true when the question is open; the form is sent on yes.
 */
export function askFirst(event, form, button) {
  const question = button?.dataset.confirm ?? form.dataset.confirm
  const dialog = document.getElementById('confirm-dialog')
  if (!question || !dialog || form.dataset.confirmed) return false
  event.preventDefault()
  dialog.querySelector('[data-question]').textContent = question
  const yes = dialog.querySelector('[data-yes]')
  yes.onclick = () => {
    dialog.close()
    form.dataset.confirmed = 'yes'
    form.requestSubmit(button ?? undefined)
    delete form.dataset.confirmed
  }
  dialog.showModal()
  return true
}

document.addEventListener('click', (event) => {
  const dialog = event.target
  if (!(dialog instanceof HTMLDialogElement) || !dialog.matches('.drawer, .dialog')) return
  const box = dialog.getBoundingClientRect()
  const inside =
    event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom
  if (!inside) dialog.close()
})
