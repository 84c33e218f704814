// Filters answer as soon as they are changed.
for (const control of document.querySelectorAll('[data-send-on-change]')) {
  control.addEventListener('change', () => control.form.requestSubmit())
}

// Empty filters need not stand in the address.
document.addEventListener('formdata', (event) => {
  if (!event.target.matches('.filters')) return
  for (const [name, value] of [...event.formData]) {
    if (value === '') event.formData.delete(name)
  }
})
