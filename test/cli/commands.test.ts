/**
 * Command lines, from their words to their exit status, against a tiny agent.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type ControlRequest, EXIT, LIMITS, PoolError } from '#protocol'
import { emptyHome, fakeAgent } from '../helpers/fake-agent.js'
import { runCommand } from '../helpers/run-command.js'
import { MACHINES, OVERVIEW, STATUS, sweepOf, trialOf } from '../helpers/views.js'

t.test('help leads with what to type, and is no failure', async t => {
  for (const words of [[], ['--help'], ['-h'], ['help']]) {
    const { status, stdout, stderr } = await runCommand(words)
    t.match(stdout, /^hypersweep: .*\n\nGET STARTED\n {2}hypersweep demo/)
    t.same([status, stderr], [EXIT.done, ''])
  }
  const { stdout } = await runCommand(['help', 'submit'])
  t.match(stdout, /^USAGE\n {2}hypersweep submit sweep\.yaml\n/)
  t.equal((await runCommand(['submit', '--help'])).stdout, stdout)
})

t.test('every command of the first help has a help of its own, with an example', async t => {
  const { stdout } = await runCommand([])
  const names = [...stdout.matchAll(/^ {2}([a-z]+) {2,}[A-Z]/gm)].map(([, name]) => name ?? '')
  t.equal(names.length, 22)
  for (const name of names) t.match((await runCommand([name, '--help'])).stdout, `USAGE\n  hypersweep ${name}`)
})

t.test('a wrong command line says what is wrong and what was meant, status 2', async t => {
  const cases: [string[], RegExp][] = [
    [['statsu'], /^error: There is no command "statsu"\.\nhint: Did you mean "status"\?\n$/],
    [['sweep', 'lst'], /no command "lst"\.\nhint: Did you mean "list"\?/],
    [['status', '--jsn'], /no flag "--jsn" here\.\nhint: Did you mean --json\?/],
    [['best', '--count', '0'], /count: "0" is no whole number from 1 to 1000\.\nhint: See `hypersweep best --help`/],
    [['trial', 'view', 'digits', 'four'], /trial: "four" is no number of a trial\./],
    [['machine', 'view'], /<machine> is missing\./],
    [['approve', 'a', 'b'], /"b" is one argument too many\./],
    [['up', '--approve', 'some'], /--approve is one of ask, all, not "some"\./]
  ]
  for (const [words, expected] of cases) {
    const { status, stdout, stderr } = await runCommand(words)
    t.match(stderr, expected, words.join(' '))
    t.same([status, stdout], [EXIT.usage, ''])
  }
})

t.test('without an agent: status 3 and what to type; as JSON on standard output if that was asked for', async t => {
  const home = await emptyHome(t)
  const { status, stdout, stderr } = await runCommand(['status'], { home })
  t.match(stderr, /^error: No agent is running on the home .*\nhint: Start it with `hypersweep up`/)
  t.same([status, stdout], [EXIT.noAgent, ''])
  const asJson = await runCommand(['status', '--json'], { home })
  t.match(JSON.parse(asJson.stdout), { error: { code: 'AGENT_NOT_RUNNING', hint: /hypersweep up/ } })
  t.same([asJson.status, asJson.stderr], [EXIT.noAgent, ''])
})

t.test('--json prints exactly the view', async t => {
  const { home } = await fakeAgent(t, {
    status: STATUS,
    machines: MACHINES,
    sweeps: [sweepOf()],
    sweep: sweepOf(),
    trials: [trialOf(4)],
    trial: trialOf(4),
    best: { sweep: sweepOf(), trials: [trialOf(4)] },
    logs: { machineName: 'bob', isWhole: true, text: 'epoch 1\n' }
  })
  const cases: [string, unknown][] = [
    ['status', STATUS],
    ['machine list', MACHINES],
    ['machine view ada-desktop', MACHINES[0]],
    ['sweep list', [sweepOf()]],
    ['sweep view digits', sweepOf()],
    ['trial list digits', [trialOf(4)]],
    ['trial view digits 4', trialOf(4)],
    ['trial logs digits 4', { machineName: 'bob', isWhole: true, text: 'epoch 1\n' }],
    ['best', { sweep: sweepOf(), trials: [trialOf(4)] }]
  ]
  for (const [words, view] of cases) {
    const { status, stdout, stderr } = await runCommand([...words.split(' '), '--json'], { home })
    t.same(JSON.parse(stdout), view, words)
    t.same([status, stderr], [EXIT.done, ''])
  }
})

t.test('data goes to standard output, the next command to standard error', async t => {
  const { home } = await fakeAgent(t, {
    status: STATUS,
    logs: { machineName: 'bob', isWhole: false, text: 'a\u001b[2Jb\n' }
  })
  const status = await runCommand(['status'], { home })
  t.match(status.stdout, /^pool {6}lab/)
  t.equal(status.stderr, 'next: hypersweep watch  see it run\n')
  const logs = await runCommand(['trial', 'logs', 'digits', '4'], { home })
  t.equal(logs.stdout, 'ab\n')
  t.equal(logs.stderr, 'Only the end of it is here; the rest is on bob.\n')
})

t.test('the error of the agent decides the status', async t => {
  const { home } = await fakeAgent(t, {
    sweep: new PoolError('NOT_FOUND', 'No sweep is named x.'),
    stop: new PoolError('REQUEST_INVALID', 'x could be two sweeps.'),
    sweeps: []
  })
  t.equal((await runCommand(['sweep', 'view', 'x'], { home })).status, EXIT.notFound)
  t.equal((await runCommand(['sweep', 'stop', 'x'], { home })).status, EXIT.usage)
  t.equal((await runCommand(['best'], { home })).status, EXIT.notFound, 'no sweep at all')
})

t.test('machine view: a name that is near, and one that two machines have', async t => {
  const { home } = await fakeAgent(t, { machines: [...MACHINES, { ...MACHINES[1], machine: 'f'.repeat(64) }] })
  const wrong = await runCommand(['machine', 'view', 'ada-dekstop'], { home })
  t.match(wrong.stderr, 'Did you mean "ada-desktop"?')
  t.equal(wrong.status, EXIT.notFound)
  t.match(
    (await runCommand(['machine', 'view', 'bob-rig'], { home })).stderr,
    /2 machines .*\nhint: .*bob-rig-, ffffffff/
  )
})

const SWEEP_FILE = `
program: train.py
method: random
run_cap: 4
metric: {name: loss, goal: minimize}
parameters:
  lr: {min: 0.1, max: 1.0}
`

t.test('submit: sends the checked sweep, the folder that travels, and which files of it describe sweeps', async t => {
  const agent = await fakeAgent(t, { submit: sweepOf() })
  const others = { 'next.yml': SWEEP_FILE, 'model.yaml': 'parameters: {width: 8}', 'broken.yaml': '{', 'train.py': '' }
  const folder = t.testdir({ 'sweep.yaml': SWEEP_FILE, ...others })
  // No text: decoded it is larger than any sweep file may be.
  writeFileSync(join(folder, 'weights.yaml'), Buffer.alloc(LIMITS.sweepFileBytes, 0xff))
  const { status, stdout, stderr } = await runCommand(['submit', join(folder, 'sweep.yaml')], agent)
  t.match(stdout, /^Submitted digits \(3f2a9c1b\): 24 trials, random, minimize val_loss; 5 files, digest c0ffee00\.\n$/)
  t.match(stderr, 'next: hypersweep watch 3f2a9c1b')
  t.equal(status, EXIT.done)
  const sweepFiles = ['sweep.yaml', 'next.yml']
  t.match(agent.asked, [{ method: 'submit', folder, sweepFiles, spec: { program: 'train.py', runCap: 4 } }])
})

t.test('submit: a missing program, a missing file and a wrong file are told before the agent is asked', async t => {
  const folder = t.testdir({ 'sweep.yaml': SWEEP_FILE, 'trian.py': '', 'bad.yaml': 'method: gird\n' })
  const agent = await fakeAgent(t, {})
  const run = async (file: string) => await runCommand(['submit', join(folder, file)], agent)
  const noProgram = await run('sweep.yaml')
  t.match(
    noProgram.stderr,
    /program "train\.py" is not a file in .*Did you mean "trian\.py"\?\nhint: There is: .*trian\.py/
  )
  const noFile = await run('swep.yaml')
  t.match(noFile.stderr, /cannot be read: there is none\.\nhint: In that folder: bad\.yaml, sweep\.yaml\./)
  const wrong = await run('bad.yaml')
  t.match(wrong.stderr, /bad\.yaml:1:\d+ method: .*grid/)
  t.same([noProgram.status, noFile.status, wrong.status], [EXIT.usage, EXIT.usage, EXIT.usage])
  t.same(agent.asked, [])
})

t.test('approve: shows what would run, and approves that very sweep', async t => {
  const waiting = sweepOf({ approval: 'waiting' })
  const files = [{ path: 'train.mjs', bytes: 2048, executable: false }]
  const agent = await fakeAgent(t, { sweep: waiting, files, approve: sweepOf() })
  const { status, stdout, stderr } = await runCommand(['approve', 'digits', '--yes'], agent)
  t.match(
    stderr,
    new RegExp(
      `author +ada\\ncommand +node .*\\n(.*\\n)*digest +${waiting.bundle.digest}(.*\\n)* +2.0 KiB +train\\.mjs\\n`
    )
  )
  t.match(stdout, 'Approved')
  t.equal(status, EXIT.done)
  t.same(agent.asked, [
    { method: 'sweep', sweep: 'digits' },
    { method: 'files', sweep: waiting.sweep },
    { method: 'approve', sweep: waiting.sweep }
  ])
})

t.test('approve: without the list of files it goes on; a sweep that is over is not said to run', async t => {
  const agent = await fakeAgent(t, {
    sweep: sweepOf({ approval: 'waiting' }),
    files: new PoolError('BUNDLE_UNAVAILABLE', 'No machine that is here has them.'),
    approve: sweepOf({ state: 'done' })
  })
  const { status, stdout, stderr } = await runCommand(['approve', 'digits', '--yes'], agent)
  t.match(stderr, 'The files cannot be listed now: No machine that is here has them.\n')
  t.equal(stdout, 'Approved; the sweep is over already.\n')
  t.match(stderr, 'next: hypersweep best 3f2a9c1b')
  t.equal(status, EXIT.done)
})

t.test('approve: where something is missing, the agent is asked to look again; else nothing is changed', async t => {
  const asked = async (change: Parameters<typeof sweepOf>[0]) => {
    const agent = await fakeAgent(t, { sweep: sweepOf(change), files: [], approve: sweepOf() })
    const { stdout } = await runCommand(['approve', 'digits'], agent)
    return [stdout, agent.asked.length]
  }
  const again = ['It is approved already; what was missing is looked for again.\n', 3]
  t.same(await asked({ unmet: 'it lacks the package peft' }), again)
  t.same(await asked({ bundleState: 'it is damaged' }), again)
  t.same(await asked({}), ['It is approved already.\n', 2])
})

t.test('sweep stop: tells how many trials had a result; a script is not asked', async t => {
  const agent = await fakeAgent(t, { stop: sweepOf({ state: 'stopped' }) })
  const { stdout } = await runCommand(['sweep', 'stop', 'digits'], agent)
  t.equal(stdout, 'digits (3f2a9c1b) stopped: 14 of 24 had a result.\n')
  t.same(agent.asked, [{ method: 'stop', sweep: 'digits' }])
})

t.test('submit: a folder suggests its sweep file; a long list of neighbours says how long', async t => {
  const agent = await fakeAgent(t, {})
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`f${i}.py`, '']))
  const folder = t.testdir({ 'sweep.yaml': SWEEP_FILE, 'a.yaml': '', ...many })
  const given = await runCommand(['submit', folder], agent)
  t.match(given.stderr, /is a folder, not a sweep file\.\nhint: Did you mean .*\/sweep\.yaml\?/)
  const noProgram = await runCommand(['submit', join(folder, 'sweep.yaml')], agent)
  t.match(noProgram.stderr, /There is: a\.yaml, f0\.py, .* and 6 more\./)
  t.same([given.status, noProgram.status], [EXIT.usage, EXIT.usage])
})

/** An overview in which the sweep is in the given state. */
function overviewOf(state: 'running' | 'done') {
  return { ...OVERVIEW, focus: { ...OVERVIEW.focus, sweep: sweepOf({ state }) } }
}

t.test('watch: a line for each change, until the sweep that it began with has ended', async t => {
  const states = ['running', 'running', 'done'] as const
  const agent = await fakeAgent(t, { overview: () => overviewOf(states[agent.asked.length - 1] ?? 'done') })
  const { status, stdout } = await runCommand(['watch', '--until-done'], agent)
  t.match(stdout, /^digits: running, .*\ndigits: done, .*\n$/)
  t.equal(status, EXIT.done)
  t.same(agent.asked, [
    { method: 'overview' },
    { method: 'overview', sweep: sweepOf().sweep },
    { method: 'overview', sweep: sweepOf().sweep }
  ])
})

t.test('watch --json: an object a line; an interruption ends it with status 130', async t => {
  const ending = new AbortController()
  const { home } = await fakeAgent(t, {
    overview: (request: ControlRequest) => ({ ...overviewOf('running'), request })
  })
  const { status, stdout } = await runCommand(['watch', 'digits', '--json'], {
    home,
    signal: ending.signal,
    onOutput: () => ending.abort()
  })
  t.match(JSON.parse(stdout), { focus: { sweep: { name: 'digits' } }, request: { sweep: 'digits' } })
  t.equal(status, EXIT.interrupted)
})

t.test('invite: the text alone on standard output; --wait sees who came', async t => {
  const invite = { id: 'i1', text: 'hs1xyz', expiresAt: Date.now() + 86_400_000 }
  const agent = await fakeAgent(t, { machines: MACHINES, invite, invites: [{ ...invite, usedByName: 'bob (rig)' }] })
  const first = await runCommand(['invite'], agent)
  t.equal(first.stdout, 'hs1xyz\n')
  t.match(first.stderr, 'hypersweep join hs1xyz')
  const second = await runCommand(['invite', '--wait'], agent)
  t.match(second.stderr, 'bob (rig) came in.')
  t.same([first.status, second.status], [EXIT.done, EXIT.done])
})

t.test('init and join use the agent that runs; an invite may come from standard input', async t => {
  const agent = await fakeAgent(t, { found: STATUS, join: STATUS })
  const founded = await runCommand(['init', '--name', 'lab'], agent)
  t.equal(founded.stdout, 'You are in lab as ada, with this machine, ada-desktop. Members: ada (owner), bob.\n')
  t.match(founded.stderr, /next: hypersweep invite .*\nnext: hypersweep up /)
  const joined = await runCommand(['join', '-'], { ...agent, stdin: ' hs1xyz\n' })
  t.same([joined.status, joined.stderr.includes('No answer yet')], [EXIT.done, false])
  t.equal((await runCommand(['join', '-'], { ...agent, stdin: '\n' })).status, EXIT.usage)
  t.same(agent.asked, [
    { method: 'found', pool: 'lab' },
    { method: 'join', invite: 'hs1xyz' }
  ])
})

t.test('up: a second agent on one home is refused, and the first is named', async t => {
  const { home } = await fakeAgent(t, { status: { ...STATUS, paused: 'serving an invite' } })
  const { status, stderr } = await runCommand(['up'], { home })
  t.match(stderr, /running on this home already \(pid 4242, serving an invite\)\.\nhint: .*hypersweep down/)
  t.equal(status, EXIT.failed)
})

t.test('doctor: checks this machine without an agent; a problem is status 1', async t => {
  const home = await emptyHome(t)
  const well = await runCommand(['doctor'], { home })
  t.match(well.stdout, /^ok +node .*\n(.*\n)*warning {2}agent +No agent is running/)
  t.equal(well.status, EXIT.done)
  writeFileSync(join(home, 'file'), '')
  const ill = await runCommand(['doctor', '--json'], { home: join(home, 'file') })
  t.match(JSON.parse(ill.stdout), [{ name: 'node' }, { name: 'system' }, { name: 'home', verdict: 'problem' }])
  t.equal(ill.status, EXIT.failed)
})
