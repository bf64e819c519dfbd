/**
 * A whole agent on a disk that runs full: it says so, loses nothing, and goes on by itself.
 */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makePool, openLab, until } from '../helpers/agents.js'
import { sweepSpec } from '../helpers/records.js'
import { mountSmallDisk, noSmallDisk } from '../helpers/small-disk.js'

const MiB = 2 ** 20
const RESERVE_BYTES = 16 * MiB
const ENVIRONMENT = { HYPERSWEEP_RESERVE: '16MiB', HYPERSWEEP_FREE_SPACE: '32MiB' }
/** Waits for a file that does not lie on the small disk, then reports. */
const TRAIN = `
import { existsSync } from 'node:fs'
while (!existsSync(process.argv[2])) await new Promise(resolve => setTimeout(resolve, 20))
console.log(JSON.stringify({ step: 1, loss: 0.5 }))
`
t.setTimeout(180_000)

t.test(
  'a result on a full disk survives a kill and a start on it; with room the sweep goes on',
  {
    skip: noSmallDisk()
  },
  async t => {
    const disk = mountSmallDisk(t, 200 * MiB)
    const elsewhere = t.testdir({ sweep: { 'train.mjs': TRAIN } })
    const go = join(elsewhere, 'go')
    const lab = await labIn(t, disk.folder)
    const [agent] = await makePool(lab, ['solo'], ENVIRONMENT)
    if (!agent) throw new Error('The pool has a machine.')
    const reserve = join(agent.home, 'reserve')
    const isGrown = async () => existsSync(reserve) && statSync(reserve).size === RESERVE_BYTES
    await until('it has its reserve', isGrown)
    const spec = sweepSpec({
      command: ['node', 'train.mjs', go],
      leaseMs: 4000,
      parameters: { x: { distribution: 'categorical', values: [1, 2] } }
    })
    const { sweep } = await agent.ask({ method: 'submit', spec, folder: join(elsewhere, 'sweep') })
    await until('it trains', async () => (await agent.ask({ method: 'status' })).attempts === 1)

    disk.fill()
    await until('it says so', async () => (await agent.ask({ method: 'status' })).paused !== undefined)
    t.match((await agent.ask({ method: 'status' })).paused, /less than 32\.0 MiB free/)
    t.match(await agent.ask({ method: 'machines' }), [{ paused: /less than 32\.0 MiB free/ }])
    const checks = await agent.ask({ method: 'doctor' })
    t.match(
      checks.find(({ name }) => name === 'disk'),
      { verdict: 'problem', detail: /takes no work/ }
    )
    writeFileSync(go, '')
    const done = async (of: typeof agent) => (await of.ask({ method: 'sweep', sweep })).trials.done
    await until('what ran has its result', async () => (await done(agent)) === 1)
    await agent.kill()

    disk.fill()
    const again = await lab.start('solo', ENVIRONMENT)
    await until('the result is there', async () => (await done(again)) === 1)
    t.equal((await again.ask({ method: 'status' })).attempts, 0, 'and nothing new begins')
    disk.free()
    await until('the sweep is done', async () => (await done(again)) === 2)
    await until('the reserve is whole again', isGrown)
    await again.down()
  }
)

/** A lab whose homes lie in a folder. */
async function labIn(t: Test, folder: string) {
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = folder
  mkdirSync(folder, { recursive: true })
  const lab = await openLab()
  t.teardown(async () => {
    await lab.close()
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  return lab
}
