/**
 * `check`: what a sweep file asks for, and everything that is wrong with it. Needs no agent.
 */
import { dirname, resolve } from 'node:path'
import { EXIT, PoolError } from '#protocol'
import { type Cli, type CommonFlags, jsonLine, present } from '../cli.js'
import { drawCheck, sweepCheckOf } from '../screens/check-screen.js'
import { examineSweepText } from '../sweep-file.js'
import { findProgram, readSweepFile } from '../sweep-folder.js'
import { describeIssue, invalidFile } from '../sweep-issues.js'
import { sweepFileSchema } from '../sweep-shape.js'

export interface CheckFlags extends CommonFlags {
  readonly schema?: boolean
}

export async function check(this: Cli, flags: CheckFlags, file?: string): Promise<void> {
  if (flags.schema) return this.out(JSON.stringify(sweepFileSchema(), null, 2))
  if (file === undefined) {
    throw new PoolError('REQUEST_INVALID', '<sweep.yaml> is missing.', { hint: 'See `hypersweep check --help`.' })
  }
  // The whole path, since a file called sweep.yaml is named after its folder.
  const { spec, errors, warnings, source } = examineSweepText(await readSweepFile(file), resolve(file))
  if (spec === undefined) {
    if (!flags.json) throw invalidFile(errors, file, source)
    this.out(jsonLine({ isValid: false, problems: errors, warnings }))
    return this.exitWith(EXIT.usage)
  }
  await findProgram(spec, dirname(resolve(file)))
  if (!flags.json) for (const warning of warnings) this.say(`warning: ${describeIssue(warning, file, source)}`)
  present(this, flags, sweepCheckOf(spec, warnings), drawCheck)
  if (!flags.json) this.next(`hypersweep submit ${file}`, 'start it')
}
