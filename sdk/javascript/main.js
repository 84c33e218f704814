#!/usr/bin/env node
// Run an agent from the command line: node sdk/javascript/main.js --url … --token … --capability …
import { hostname } from 'node:os'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

import { Agent, NotLetIn } from './agent.js'
import { countWords } from './example.js'

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: process.env.ORCHESTRA_URL ?? 'http://127.0.0.1:8000' },
    token: { type: 'string', default: process.env.ORCHESTRA_AGENT_TOKEN ?? '' },
    name: { type: 'string', default: hostname().slice(0, 80) },
    capability: { type: 'string', multiple: true, default: [] },
    slots: { type: 'string', default: '1' },
    handler: { type: 'string', default: '' },
  },
})
if (!values.token) {
  console.error('A registration token is needed: --token, or ORCHESTRA_AGENT_TOKEN.')
  process.exit(2)
}
const handler = values.handler ? (await import(pathToFileURL(values.handler).href)).default : countWords
const agent = new Agent({
  url: values.url,
  token: values.token,
  name: values.name,
  capabilities: values.capability,
  slots: Number(values.slots),
  handler,
})
for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => agent.drain())
try {
  await agent.run()
} catch (error) {
  if (!(error instanceof NotLetIn)) throw error
  console.error(error.message)
  process.exitCode = 2
}
