/**
 * `status`: what the agent does, and how the pool is.
 */
import { type Cli, type CommonFlags, present } from '../cli.js'
import { withAgent } from '../client.js'
import { afterStatus, drawStatus } from '../screens/status-screen.js'

export async function status(this: Cli, flags: CommonFlags): Promise<void> {
  const view = await withAgent(this, flags, ask => ask({ method: 'status' }))
  present(this, flags, view, drawStatus)
  if (!flags.json) this.next(...afterStatus(view))
}
