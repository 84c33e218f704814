// Builds the designer into static/built/, with fixed names and nothing that changes from one build to the next.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

const here = dirname(fileURLToPath(import.meta.url))
const LICENCE = /^(licen[cs]e|copying|notice)(\.\w+)?$/i

/** Collect the licences of every package whose code is in the output. */
function thirdParty() {
  return {
    name: 'third-party',
    generateBundle(_options, bundle) {
      const packages = new Map()
      for (const chunk of Object.values(bundle)) {
        if (chunk.type === 'chunk' && !chunk.code.endsWith('\n')) chunk.code += '\n'
        for (const id of Object.keys(chunk.modules ?? {})) {
          const found = id.match(/^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//)
          if (found) packages.set(found[2], found[1])
        }
      }
      const texts = [...packages].sort().map(([name, folder]) => describe(name, folder))
      const head = 'The designer (designer.js, designer.css) contains code of these packages.\n'
      this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY.txt', source: [head, ...texts].join(`\n${'-'.repeat(80)}\n\n`) })
    },
  }
}

/** The product's own modules are loaded from where they are, so that a change of theirs needs no build of this. */
function besideTheProduct() {
  return {
    name: 'beside-the-product',
    enforce: 'pre',
    resolveId: (id) => {
      const found = id.match(/\/static\/js\/(\w+\.js)$/)
      return found ? { id: `../js/${found[1]}`, external: true } : null
    },
  }
}

/** A style in the markup is what the content policy forbids; the style sheet says the same. */
function withoutInlineStyle() {
  return {
    name: 'without-inline-style',
    transform: (code) => (code.includes('svelte-css-wrapper style') ? code.replaceAll('svelte-css-wrapper style="display: contents"', 'svelte-css-wrapper') : null),
  }
}

function describe(name, folder) {
  const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => LICENCE.test(entry))
  const text = file ? readFileSync(join(folder, file), 'utf8').replaceAll('\r', '').trim() : `Licence: ${about.license}`
  return `${name} ${about.version} (${about.license})\n\n${text}\n`
}

export default defineConfig({
  root: here,
  plugins: [
    svelte({
      compilerOptions: { css: 'external' },
      // What the page brings never changes while it stands; reading it once is meant.
      onwarn: (warning, handler) => warning.code === 'state_referenced_locally' || handler(warning),
    }),
    besideTheProduct(),
    withoutInlineStyle(),
    thirdParty(),
  ],
  build: {
    outDir: join(here, '../../static/built'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    reportCompressedSize: true,
    rollupOptions: {
      input: join(here, 'src/main.js'),
      output: { format: 'es', entryFileNames: 'designer.js', assetFileNames: 'designer[extname]', codeSplitting: false },
    },
  },
})
