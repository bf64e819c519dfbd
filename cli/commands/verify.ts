/**
 * `verify`: whether this machine's store is sound, while no agent runs.
 */
import { EXIT } from '#protocol'
import { type Cli, type CommonFlags, present } from '../cli.js'
import { homeOf } from '../home.js'
import { drawVerify } from '../screens/verify-screen.js'
import { runVerify } from '../verify-process.js'

export async function verify(this: Cli, flags: CommonFlags): Promise<void> {
  const view = await runVerify({
    home: homeOf(flags, this.environment),
    signal: this.signal,
    onProgress: what => this.say(what)
  })
  present(this, flags, view, drawVerify)
  if (view.checks.some(check => check.verdict === 'wrong')) this.exitWith(EXIT.failed)
}
