/**
 * `trial view` and `trial logs` of a trial that ran elsewhere: what is said while it is fetched, and when it cannot be.
 */
import t from 'tap'
import { EXIT, PoolError } from '#protocol'
import { fakeAgent } from '../helpers/fake-agent.js'
import { runCommand } from '../helpers/run-command.js'
import { fallingCurve, sweepOf, trialOf } from '../helpers/views.js'

const VIEW = ['trial', 'view', 'digits', '4']
const LOGS = ['trial', 'logs', 'digits', '4']

t.test('trial view asks for every point of the curve, and --json gives them all; lists ask for none', async t => {
  const whole = trialOf(4, { curve: fallingCurve(500) })
  const { home, asked } = await fakeAgent(t, { sweep: sweepOf(), trial: whole, trials: [trialOf(4)] })
  const { stdout, status } = await runCommand([...VIEW, '--json'], { home })
  t.equal(JSON.parse(stdout).curve.length, 500)
  t.equal(status, EXIT.done)
  await runCommand(['trial', 'list', 'digits'], { home })
  t.same(
    asked.filter(({ method }) => method === 'trial'),
    [{ method: 'trial', sweep: sweepOf().sweep, trial: 4, isFull: true }]
  )
})

t.test('a curve that cannot be had is told, and the rest is shown as the log has it', async t => {
  const missing = 'The full curve and output of attempt 1 are on bob-rig\u001b[2J, which is off.'
  const { home } = await fakeAgent(t, { sweep: sweepOf(), trial: trialOf(4, { missing }) })
  const { stdout, stderr, status } = await runCommand(VIEW, { home })
  t.match(stdout, 'CURVE OF val_loss')
  t.match(stderr, /^The full curve and output of attempt 1 are on bob-rig, which is off\.\nnext: /)
  t.equal(status, EXIT.done)
})

t.test('the output from elsewhere: its end, why there is no more, or an error with its status', async t => {
  const unavailable = new PoolError('BULK_UNAVAILABLE', 'It is on bob-rig, which is off.', { hint: 'Try again.' })
  const answers: Record<string, unknown> = {
    logs: { machineName: 'bob-rig', isWhole: false, text: 'last words\n', missing: 'It is on bob-rig, which is off.' }
  }
  const { home } = await fakeAgent(t, answers)
  const short = await runCommand(LOGS, { home })
  t.same([short.stdout, short.stderr], ['last words\n', 'It is on bob-rig, which is off.\n'])
  answers['logs'] = unavailable
  const none = await runCommand(LOGS, { home })
  t.same([none.status, none.stdout], [EXIT.failed, ''])
  t.match(none.stderr, /^error: It is on bob-rig, which is off\.\nhint: Try again\./)
})

t.test('whoever waits for a fetch is told what for', async t => {
  let arrive: (answer: unknown) => void = () => undefined
  const arrived = new Promise(resolve => {
    arrive = resolve
  })
  const { home } = await fakeAgent(t, { logs: () => arrived })
  const onMessage = () => arrive({ machineName: 'bob-rig', isWhole: true, text: 'epoch 1\n' })
  const { stdout, stderr } = await runCommand(LOGS, { home, onMessage })
  t.equal(stderr, 'Fetching the output from the machine that ran it …\n')
  t.equal(stdout, 'epoch 1\n')
})
