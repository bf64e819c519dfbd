/**
 * A program for outside comparison: a search method that is asked and told over standard input and output, one line of
 * JSON each. The argument names the method, `auto` without one. docs/testing.md explains the lines.
 */
import { createInterface } from 'node:readline'
import { createDialogue } from './dialogue.js'
import { METHODS } from './methods.js'
import { RULES } from './rules.js'

const [method = 'auto'] = process.argv.slice(2)
if (!Object.hasOwn(METHODS, method) && !Object.hasOwn(RULES, method)) {
  const known = new Set([...Object.keys(METHODS), ...Object.keys(RULES)])
  process.stderr.write(`There is no method ${method}. Known: ${[...known].join(', ')}.\n`)
  process.exit(2)
}
const dialogue = createDialogue(method)
for await (const line of createInterface({ input: process.stdin })) {
  const answer = dialogue.answer(line)
  if (answer) process.stdout.write(`${JSON.stringify(answer)}\n`)
}
