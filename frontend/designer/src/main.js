// Starts the designer on its page.
import { mount } from 'svelte'

import App from './App.svelte'
import { signWith } from './api.js'
import './designer.css'
import { learn } from './words.js'

const place = document.querySelector('[data-designer]')
const page = JSON.parse(document.getElementById('designer-data').textContent)

learn(page.words)
signWith(place.querySelector('[name=csrfmiddlewaretoken]').value)
place.querySelector('[data-designer-wait]')?.remove()
mount(App, { target: place, props: { page } })
