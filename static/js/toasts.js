// Short notices at the edge of the page: the server's messages, and what scripts have to say.
const STAY_MILLISECONDS = { success: 5000, info: 6000, warning: 9000 }

function leave(element) {
  element.classList.add('is-leaving')
  setTimeout(() => element.remove(), 300)
}

function adopt(element) {
  element.querySelector('[data-dismiss]')?.addEventListener('click', () => leave(element))
  const tone = Object.keys(STAY_MILLISECONDS).find((name) => element.classList.contains(`is-${name}`))
  // An error stays until it is closed.
  if (!tone) return
  let timer = setTimeout(leave, STAY_MILLISECONDS[tone], element)
  element.addEventListener('pointerenter', () => clearTimeout(timer))
  element.addEventListener('pointerleave', () => {
    timer = setTimeout(leave, 2000, element)
  })
}

/** Show a notice; tone is info, success, warning or error. */
export function toast(text, tone = 'info') {
  const template = document.getElementById('toast-template')
  const place = document.getElementById('toasts')
  if (!template || !place || !text) return
  const element = template.content.firstElementChild.cloneNode(true)
  element.classList.add(`is-${tone}`)
  element.querySelector('p').textContent = text
  const use = element.querySelector('.icon use')
  use?.setAttribute('href', use.getAttribute('href').replace(/#.*/, `#${tone}`))
  place.append(element)
  adopt(element)
}

/** Take over the notices that the server has rendered. */
export function adoptToasts() {
  for (const element of document.querySelectorAll('#toasts [data-toast]')) adopt(element)
}
