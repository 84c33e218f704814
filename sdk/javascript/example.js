// A handler to begin with: it counts the words of its task, streams them back, and says how far it is.
import { setTimeout as pause } from 'node:timers/promises'

/** @param {import('./agent.js').Assignment} assignment */
export async function countWords(assignment) {
  const words = assignment.task.split(/\s+/).filter(Boolean)
  for (const [index, word] of words.entries()) {
    assignment.say(`${word} `)
    assignment.progress((index + 1) / words.length, `${index + 1} of ${words.length} words`)
    await pause(50, undefined, { signal: assignment.signal })
  }
  Object.assign(assignment.usage, { input_tokens: words.length, output_tokens: words.length, model: 'example' })
  return { text: words.join(' '), data: { words: words.length } }
}
