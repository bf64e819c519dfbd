/**
 * What the desk finds of what sweeps require: Python packages, and assets at the places that their owner named.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { watchAssets } from '../../agent/desk/assets.js'
import { openPackages } from '../../agent/desk/packages.js'
import { allowedOf } from '../../agent/runner/environment.js'
import { findInterpreter } from '../../agent/runner/interpreter.js'

const environment = allowedOf(process.env)
const interpreter = await findInterpreter(environment)
const noPython = hasPython() ? {} : { skip: 'there is no Python on this machine' }
const noScripts = process.platform === 'win32' ? { skip: 'Windows starts no scripts' } : {}

function hasPython(): boolean {
  try {
    execFileSync(interpreter, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

interface Asked {
  readonly found: Readonly<Record<string, boolean>>
  readonly notes: readonly string[]
}

/** Asks a Python for packages; several answers come as one. */
function ask(t: Test, names: readonly string[], options: Partial<Parameters<typeof openPackages>[0]> = {}) {
  const notes: string[] = []
  return new Promise<Asked>(resolve => {
    let found: Asked['found'] = {}
    const packages = openPackages({
      environment,
      interpreter: async () => interpreter,
      note: message => void notes.push(message),
      onPackages: some => {
        found = { ...found, ...some }
        if (Object.keys(found).length === names.length) resolve({ found, notes })
      },
      ...options
    })
    t.teardown(() => packages.close())
    packages.look(names)
  })
}

t.test('packages: modules, distributions under any of their names, and what is not there', noPython, async t => {
  const site = t.testdir({
    'scikit_demo-1.0.dist-info': { METADATA: 'Metadata-Version: 2.1\nName: Scikit.Demo\nVersion: 1.0\n' },
    demolearn: { '__init__.py': 'raise SystemExit("imported")', 'part.py': '' }
  })
  const names = ['json', 'scikit-demo', 'scikit_demo', 'SCIKIT-demo', 'demolearn', 'demolearn.part', 'no-such-package']
  const { found, notes } = await ask(t, names, { environment: { ...environment, PYTHONPATH: site } })
  t.same(found, {
    json: true,
    'scikit-demo': true,
    scikit_demo: true,
    'SCIKIT-demo': true,
    demolearn: true,
    'demolearn.part': false,
    'no-such-package': false
  })
  t.same(notes, [])
})

t.test('packages: no name is more than a name', noPython, async t => {
  const folder = t.testdir({})
  const marker = join(folder, 'ran')
  const names = [
    `'; import os; open(${JSON.stringify(marker)}, 'w')`,
    '--help',
    '-c',
    '__main__',
    '.',
    '..json',
    'a\0b',
    '\ud800',
    '../json',
    'x'.repeat(10_000),
    'json'
  ]
  const { found, notes } = await ask(t, names)
  t.same(
    Object.entries(found).filter(([, isFound]) => isFound),
    [['json', true]]
  )
  t.same(notes, [])
  t.throws(() => execFileSync('cat', [marker], { stdio: 'ignore' }))
  t.equal(Object.hasOwn((await ask(t, ['__proto__'])).found, '__proto__'), true, 'each name is answered')
})

t.test('packages: many are asked for in several parts', noPython, async t => {
  const names = Array.from({ length: 130 }, (_, n) => (n === 129 ? 'json' : `no-such-package-${n}`))
  const { found } = await ask(t, names)
  t.equal(Object.values(found).filter(isFound => isFound).length, 1)
})

t.test('packages: the folder in which the agent was started has none', noPython, async t => {
  const folder = t.testdir({ 'nearby_demo.py': '', 'json.py': 'raise SystemExit("imported")' })
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  t.same((await ask(t, ['nearby_demo', 'os'])).found, { nearby_demo: false, os: true })
})

t.test('packages: without a Python, or with one that talks or hangs, nothing is found', noScripts, async t => {
  const folder = t.testdir({})
  const script = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(folder, name), 0o755)
    return async () => join(folder, name)
  }
  for (const [name, options] of Object.entries({
    absent: { interpreter: async () => join(folder, 'absent') },
    talking: { interpreter: script('talking', 'echo hello') },
    lying: { interpreter: script('lying', `echo '["yes"]'`) },
    failing: { interpreter: script('failing', 'exit 3') },
    hanging: { interpreter: script('hanging', 'exec sleep 60'), answerMs: 200 }
  })) {
    const { found, notes } = await ask(t, ['json'], options)
    t.same(found, { json: false }, name)
    t.same(notes, ['Python does not tell which packages it finds'], name)
  }
  t.same((await ask(t, ['a', 'b'], { interpreter: script('short', "echo noise; echo '[true]'") })).found, {
    a: true,
    b: false
  })
})

t.test('packages: once closed, nothing is told', noScripts, async t => {
  const told: string[] = []
  const packages = openPackages({
    environment,
    interpreter: async () => {
      packages.close()
      return 'sleep'
    },
    note: message => void told.push(message),
    onPackages: () => void told.push('found')
  })
  packages.look(['json'])
  packages.look(['os'])
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  t.same(told, [])
})

t.test('assets: those that are there, as they come and go', async t => {
  const folder = t.testdir({ llama: {}, 'mnist.npz': '' })
  const paths = { llama: join(folder, 'llama'), mnist: join(folder, 'mnist.npz'), later: join(folder, 'later') }
  const waiting: ((present: ReadonlyMap<string, string>) => void)[] = []
  const next = () => new Promise<ReadonlyMap<string, string>>(resolve => void waiting.push(resolve))
  const until = async (names: string): Promise<void> => {
    const present = await next()
    if ([...present.keys()].join(' ') !== names) return until(names)
  }
  const first = next()
  const onAssets = (present: ReadonlyMap<string, string>) => {
    for (const resolve of waiting.splice(0)) resolve(present)
  }
  const watched = watchAssets({ paths, onAssets, pollMs: 10 })
  // A look keeps no process alive by itself.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => {
    clearInterval(alive)
    watched.close()
  })
  t.same(
    [...(await first)],
    [
      ['llama', paths.llama],
      ['mnist', paths.mnist]
    ]
  )
  mkdirSync(paths.later)
  rmSync(paths.mnist)
  await until('llama later')
  const none = await new Promise(resolve => watchAssets({ paths: {}, onAssets: resolve }))
  t.same(none, new Map(), 'where none is named, that is known at once')
})
