// Passkeys and security keys: asks the browser for a key and sends what it signed along with the form.
// The library beside this file's script (webauthn-json) turns the server's JSON into what browsers want, and back.

const { webauthnJSON } = window

/** Return the options for the browser: from the form itself, or from the server where nobody is known yet. */
async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options)
  const answer = await fetch(form.action, { headers: { Accept: 'application/json' }, credentials: 'same-origin' })
  if (!answer.ok) throw new Error(String(answer.status))
  return answer.json()
}

async function ask(form) {
  const options = await optionsOf(form)
  if (!options.creation_options) return webauthnJSON.get(options.request_options)
  const wanted = structuredClone(options.creation_options)
  const isPasskey = form.querySelector('[name=passwordless]')?.checked ?? false
  Object.assign(wanted.publicKey.authenticatorSelection, {
    residentKey: isPasskey ? 'required' : 'discouraged',
    requireResidentKey: isPasskey,
    ...(isPasskey ? { userVerification: 'required' } : {}),
  })
  return webauthnJSON.create(wanted)
}

for (const button of document.querySelectorAll('[data-passkey]')) {
  const form = button.form
  button.hidden = !window.PublicKeyCredential
  button.addEventListener('click', async (event) => {
    event.preventDefault()
    try {
      form.querySelector('[name=credential]').value = JSON.stringify(await ask(form))
      form.submit()
    } catch {
      const words = form.querySelector('[data-passkey-refusal]')
      if (words) words.hidden = false
    }
  })
}
