/**
 * A trial that ran elsewhere: its whole curve and its output, fetched by whoever looks; and verify on real homes.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makePool, openLab, until } from '../helpers/agents.js'

const POINTS = 300
const TRAIN = `
const x = Number(process.env.HYPERSWEEP_PARAM_X)
for (let step = 1; step <= ${POINTS}; step++) console.log(JSON.stringify({ step, loss: x + 1 / step }))
console.log('the last words of', x)
`
const SWEEP = `
name: far
command: [node, "\${program}"]
program: train.mjs
method: grid
metric: {name: loss, goal: minimize}
parameters: {x: {values: [1, 2]}}
`

t.test(
  'the whole curve is fetched from the machine that ran it, stays, and is not to be had when nobody has it',
  async t => {
    const lab = await openLab()
    try {
      const [ada, ben] = await makePool(lab, ['ada', 'ben'])
      if (!ada || !ben) throw new Error('There are two agents.')
      const folder = join(lab.folder, 'sweep')
      mkdirSync(folder)
      writeFileSync(join(folder, 'train.mjs'), TRAIN)
      writeFileSync(join(folder, 'sweep.yaml'), SWEEP)
      t.equal((await lab.type('ada', ['submit', join(folder, 'sweep.yaml')])).status, 0)
      const isDone = async () => {
        const [sweep] = await ben.ask({ method: 'sweeps' })
        return sweep?.trials.done === 2
      }
      await until('ben knows both results', isDone)
      const view = async (name: string) =>
        JSON.parse((await lab.type(name, ['trial', 'view', 'far', '0', '--json'])).out)
      const listed = JSON.parse((await lab.type('ben', ['trial', 'list', 'far', '--json'])).out)
      t.equal(listed[0].curve.length, 64, 'the log has a thin one')
      t.equal((await view('ben')).curve.length, POINTS)
      const logs = await lab.type('ben', ['trial', 'logs', 'far', '0'])
      t.match(logs.out, /the last words of 1\n$/)
      t.match(logs.err, /the rest is on ada/)
      t.match((await lab.type('ada', ['verify'])).err, /hypersweep down/, 'no verifying of a store that is open')
      await ada.down()
      t.equal((await view('ben')).curve.length, POINTS, 'what was looked at stays')
      const none = await lab.type('ben', ['trial', 'logs', 'far', '1', '--json'])
      t.match(JSON.parse(none.out), { error: { code: 'BULK_UNAVAILABLE', hint: /when ada is on/ } })
      t.equal(none.status, 1)
      await ben.down()
      const digests = await Promise.all(
        ['ada', 'ben'].map(async name => {
          const { status, out } = await lab.type(name, ['verify', '--json'])
          t.equal(status, 0, out)
          return JSON.parse(out).digest
        })
      )
      t.equal(digests[0], digests[1])
      const again = await lab.start('ada')
      t.match(again.line, { ready: true }, 'who was verified goes on')
      await again.down()
    } finally {
      await lab.close()
    }
  }
)
