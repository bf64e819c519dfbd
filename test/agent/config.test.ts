/**
 * Configuration and the agent's log: what is read, what is refused, and what is written for the owner alone.
 */
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { LIMITS, type PoolError } from '#protocol'
import { readConfig, saveNetwork } from '../../agent/config.js'
import { openLogger } from '../../agent/logger.js'
import { OWNER_DEFAULTS } from '../../agent/owner.js'

const isWindows = process.platform === 'win32'

/** Writes a home's config file and returns the environment that names the home. */
function home(t: Test, text?: string): { HYPERSWEEP_HOME: string } {
  return { HYPERSWEEP_HOME: t.testdir(text === undefined ? {} : { 'config.yaml': text }) }
}

function refusal(environment: Readonly<Record<string, string>>): PoolError {
  try {
    readConfig(environment)
  } catch (error) {
    return error as PoolError
  }
  throw new Error('It was read.')
}

t.test('without a file and an environment everything has its default, and nothing can change it', async t => {
  const environment = home(t)
  const config = readConfig(environment)
  const { memberName, ...rest } = config
  t.same(rest, {
    home: environment.HYPERSWEEP_HOME,
    bootstrap: [],
    port: undefined,
    machineName: hostname().slice(0, 64),
    approve: 'ask',
    logLevel: 'info',
    reserveBytes: LIMITS.reserveBytes,
    freeSpaceFloorBytes: LIMITS.freeSpaceFloorBytes,
    quotaBytesPerDay: LIMITS.quotaBytesPerDay,
    assets: {},
    checkpoints: 'author',
    owner: OWNER_DEFAULTS,
    exclusivePrograms: [],
    serveOnly: undefined
  })
  t.ok(memberName)
  t.ok(Object.isFrozen(config))
  t.throws(() => readConfig({}), { code: 'CONFIG_INVALID', hint: /hypersweep up/ })
})

t.test('the environment comes before the file, the file before the default', async t => {
  const environment = home(t, 'bootstrap: [10.0.0.1:49737]\nport: 5000\nmachineName: from file\napprove: all\n')
  t.match(readConfig(environment), {
    bootstrap: ['10.0.0.1:49737'],
    port: 5000,
    machineName: 'from file',
    approve: 'all'
  })
  const more = {
    ...environment,
    HYPERSWEEP_BOOTSTRAP: 'one.example:1, two.example:2,',
    HYPERSWEEP_PORT: '6000',
    HYPERSWEEP_MACHINE_NAME: 'from environment',
    HYPERSWEEP_APPROVE: '',
    HYPERSWEEP_SERVE_ONLY: 'serving an invite'
  }
  t.match(readConfig(more), {
    bootstrap: ['one.example:1', 'two.example:2'],
    port: 6000,
    machineName: 'from environment',
    approve: 'all',
    serveOnly: 'serving an invite'
  })
  t.equal(readConfig(home(t, '# nothing yet\n')).approve, 'ask', 'a file may be empty')
})

t.test('sizes carry units; nothing at all needs none', async t => {
  const environment = home(t, 'reserve: 16MiB\nfreeSpace: 1.5 GB\n')
  t.match(readConfig(environment), { reserveBytes: 16 * 2 ** 20, freeSpaceFloorBytes: 1.5e9 })
  t.match(readConfig({ ...environment, HYPERSWEEP_RESERVE: '0' }), { reserveBytes: 0, freeSpaceFloorBytes: 1.5e9 })
  t.equal(readConfig(home(t, 'freeSpace: 0\n')).freeSpaceFloorBytes, 0)
  for (const text of ['reserve: 64', 'reserve: much', 'reserve: -1MiB', 'reserve: ""', 'reserve: [1]'])
    t.match(refusal(home(t, text)).message, /reserve: a size looks like 512MiB/, text)
  t.match(refusal({ ...home(t), HYPERSWEEP_FREE_SPACE: '5' }).message, /freeSpace: a size looks like/)
})

t.test('an unknown key is refused with the nearest known one', async t => {
  const error = refusal(home(t, 'machinename: x\nboostrap: []\n'))
  t.equal(error.code, 'CONFIG_INVALID')
  t.match(error.message, /config\.yaml.*\n {2}Unknown key "machinename"\. Did you mean "machineName"\?\n/s)
  t.match(error.message, /\n {2}Unknown key "boostrap"\. Did you mean "bootstrap"\?$/)
})

t.test('wrong values are told all at once, each with its place', async t => {
  const { message } = refusal(
    home(t, 'bootstrap: [nowhere, 10.0.0.1:1]\nport: 70000\nmachineName: ""\napprove: maybe\nlogLevel: 3\n')
  )
  for (const place of [/bootstrap\.0: an address looks like/, /port: /, /machineName: /, /approve: /, /logLevel: /])
    t.match(message, place)
  t.notMatch(message, /bootstrap\.1/)
  const environment = { ...home(t), HYPERSWEEP_PORT: 'many', HYPERSWEEP_APPROVE: 'none', HYPERSWEEP_BOOTSTRAP: 'a b:1' }
  for (const place of [/environment/, /port: /, /approve: /, /bootstrap\.0: /])
    t.match(refusal(environment).message, place)
})

t.test('a file that is no YAML, or no list of keys, is refused in words', async t => {
  for (const text of ['port: [1\n', 'port: 1\nport: 2\n', 'a: *nowhere\n', 'hello\n', '- port\n']) {
    const error = refusal(home(t, text))
    t.equal(error.code, 'CONFIG_INVALID', text)
    t.match(error.message, /wrong:\n {2}[A-Z]/, text)
  }
  const folder = t.testdir({ 'config.yaml': {} })
  t.match(refusal({ HYPERSWEEP_HOME: folder }), { code: 'CONFIG_INVALID', hint: /belong to you/ })
})

t.test('what a pool needs to be found again is kept; other keys and comments stay', async t => {
  const environment = home(t, '# mine\nmachineName: desk # in the corner\nport: 5000\n')
  saveNetwork(environment.HYPERSWEEP_HOME, { bootstrap: ['10.0.0.1:49737'], port: 6000 })
  t.match(readConfig(environment), { bootstrap: ['10.0.0.1:49737'], port: 6000, machineName: 'desk' })
  saveNetwork(environment.HYPERSWEEP_HOME, { bootstrap: [], port: undefined })
  t.match(readConfig(environment), { bootstrap: ['10.0.0.1:49737'], port: 6000, machineName: 'desk' })
  const text = readFileSync(join(environment.HYPERSWEEP_HOME, 'config.yaml'), 'utf8')
  t.match(text, /^# mine\nmachineName: desk # in the corner\n/)
})

t.test('where there is nothing to keep no file is made, and a wrong file is not overwritten', async t => {
  const { HYPERSWEEP_HOME: empty } = home(t)
  saveNetwork(empty, { bootstrap: [], port: undefined })
  t.throws(() => statSync(join(empty, 'config.yaml')), { code: 'ENOENT' })
  saveNetwork(empty, { bootstrap: ['10.0.0.1:1'], port: undefined })
  t.same(readConfig({ HYPERSWEEP_HOME: empty }).bootstrap, ['10.0.0.1:1'])
  if (!isWindows) t.equal(statSync(join(empty, 'config.yaml')).mode & 0o777, 0o600)
  writeFileSync(join(empty, 'config.yaml'), 'prot: 1\n')
  t.throws(() => saveNetwork(empty, { bootstrap: [], port: 1 }), { code: 'CONFIG_INVALID' })
  t.equal(readFileSync(join(empty, 'config.yaml'), 'utf8'), 'prot: 1\n')
})

t.test('a line of the log is a message with its fields, for the owner alone, and keeps no secret', async t => {
  const path = join(t.testdir({}), 'new', 'agent.log')
  const logger = openLogger(path, 'info')
  logger.info('opened', { machine: 'a', secret: 'hidden', seed: 'hidden', invite: 'hidden' })
  logger.warn('careful', {})
  logger.error('broken', { message: 'why' })
  logger.flush()
  const text = readFileSync(path, 'utf8')
  const lines = text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(lines, [
    { msg: 'opened', machine: 'a', time: /^\d{4}-/ },
    { msg: 'careful' },
    { msg: 'broken', message: 'why' }
  ])
  t.ok(lines.every(({ level }, index) => index === 0 || level > lines[index - 1].level))
  t.notMatch(text, /hidden/)
  if (!isWindows) t.equal(statSync(path).mode & 0o777, 0o600)
})

t.test('the log goes on where it ended, leaves out what is below its level, and a large one is set aside', async t => {
  const path = join(t.testdir({ 'agent.log': '{"msg":"older"}\n' }), 'agent.log')
  const logger = openLogger(path, 'warn')
  logger.info('unheard', {})
  logger.warn('heard', {})
  logger.flush()
  t.match(readFileSync(path, 'utf8'), /^\{"msg":"older"\}\n.*heard.*\n$/)
  t.notMatch(readFileSync(path, 'utf8'), /unheard/)
  truncateSync(path, 16 * 2 ** 20 + 1)
  openLogger(path, 'info').info('fresh', {})
  t.equal(statSync(`${path}.old`).size, 16 * 2 ** 20 + 1)
  t.match(readFileSync(path, 'utf8'), /^\{.*fresh.*\}\n$/)
})

t.test("what the machine's owner sets: sizes, hours and durations, checked like all else", async t => {
  const owner = `owner:
  reserve: 2GiB
  schedule: ["mon 22:00-24:00"]
  onlyWhenIdle: 10m
  exclusivePrograms: [blender]
  maxTemperature: 83
  onBattery: work
  quiet: 30s
  grace: 5s
`
  const home = t.testdir({ 'config.yaml': owner })
  const config = readConfig({ HYPERSWEEP_HOME: home })
  t.same(config.exclusivePrograms, ['blender'])
  t.same(config.owner, {
    reserveBytes: 2 ** 31,
    schedule: [{ fromMinute: 22 * 60, toMinute: 24 * 60 }],
    onlyWhenIdleMs: 600_000,
    maxTemperatureC: 83,
    packing: 1,
    worksOnBattery: true,
    quietMs: 30_000,
    graceMs: 5000
  })
  for (const [wrong, message] of [
    ['owner: {schedule: ["22-8"]}', /hours look like/],
    ['owner: {quiet: soon}', /a duration looks like/],
    ['owner: {maxTemperature: 300}', /owner.maxTemperature/],
    ['owner: {reserv: 1GiB}', /Unknown key "reserv"/]
  ] as const) {
    const folder = t.testdir({ 'config.yaml': wrong })
    t.throws(() => readConfig({ HYPERSWEEP_HOME: folder }), { message }, wrong)
  }
})

t.test('assets have absolute places, there or not; ~/ is the folder of whoever runs the agent', async t => {
  const environment = home(t, 'assets:\n  llama-3-8b: ~/models/llama\n  c4: /data/c4\n  near: sets/near\n  all: "~"\n')
  t.same(readConfig(environment).assets, {
    'llama-3-8b': join(homedir(), 'models', 'llama'),
    c4: resolve('/data/c4'),
    near: join(environment.HYPERSWEEP_HOME, 'sets', 'near'),
    all: homedir()
  })
  for (const text of ['assets: [a]', 'assets: {a: 1}', 'assets: {a: ""}', `assets: {${'x'.repeat(65)}: /a}`])
    t.match(refusal(home(t, text)).message, /assets/, text)
  const many = Array.from({ length: 257 }, (_, n) => `a${n}: /a`).join(', ')
  t.match(refusal(home(t, `assets: {${many}}`)).message, /at most 256 assets/)
})
