/**
 * The key `requires` of a sweep file: what it may say, and what is told about each slip.
 */
import t from 'tap'
import { LIMITS, PoolError } from '#protocol'
import { readSweepText } from '../../cli/sweep-file.js'

const HEAD = `program: train.py
method: random
run_cap: 24
metric: { name: val_loss, goal: minimize }
parameters: { max_seq_length: { values: [512, 2048] }, optimizer: { values: [adam, sgd] } }
`

function requiresOf(value: string) {
  return readSweepText(`${HEAD}requires: ${value}\n`, 'sweep.yaml').spec.requires
}

/** The first line of each problem, without the file's name. */
function problems(value: string): string[] {
  try {
    requiresOf(value)
    return []
  } catch (error) {
    if (!(error instanceof PoolError)) throw error
    const lines = error.message.split('\n').filter(line => line.startsWith('sweep.yaml:'))
    return lines.map(line => line.slice('sweep.yaml:'.length))
  }
}

t.test('every requirement is taken, with sizes in bytes', async t => {
  const all = `
  memory: 14GiB
  vendor: nvidia
  capability: "8.0"
  bf16: true
  disk: 20GB
  packages: [torch, peft]
  assets: [llama-3-8b]
  memory_effects: { max_seq_length: up2, optimizer: same }
  model: { parameters: 8.03e9, hidden: 4096, layers: 32, vocabulary: 128256, heads: 32, fine_tuning: qlora }`
  t.same(requiresOf(all), {
    memoryBytes: 14 * 2 ** 30,
    vendors: ['nvidia'],
    capability: '8.0',
    bf16: true,
    diskBytes: 20e9,
    packages: ['torch', 'peft'],
    assets: ['llama-3-8b'],
    memoryEffects: { max_seq_length: 'up2', optimizer: 'same' },
    model: { parameters: 8.03e9, hidden: 4096, layers: 32, vocabulary: 128_256, heads: 32, fineTuning: 'qlora' }
  })
})

t.test('what holds anyway is left out, so that older agents run the sweep, too', async t => {
  for (const value of ['{}', '{ memory: auto }', '{ bf16: false, memory: "auto" }'])
    t.equal(requiresOf(value), undefined)
  t.notOk('requires' in readSweepText(`${HEAD}requires: { memory: auto }\n`, 'sweep.yaml').spec)
})

t.test('a vendor may be one of several, and a capability is taken as it is written', async t => {
  t.same(requiresOf('{ vendor: [nvidia, amd, nvidia] }')?.vendors, ['nvidia', 'amd'])
  const capability = (text: string) => requiresOf(`{ capability: ${text} }`)?.capability
  t.same(
    [capability('8'), capability('8.0'), capability('"12.10"'), capability('12.10')],
    ['8', '8.0', '12.10', '12.10']
  )
  t.same(requiresOf('{ model: { parameters: 1, hidden: 1, layers: 1, vocabulary: 1, fine_tuning: full } }')?.model, {
    parameters: 1,
    hidden: 1,
    layers: 1,
    vocabulary: 1,
    fineTuning: 'full'
  })
})

t.test('each slip is told with its place and what is expected', async t => {
  const size = 'expected a size such as 14GiB or 500MB'
  const names = 'expected a list of names'
  const vendors = 'expected "nvidia", "amd", "apple" or "cpu"'
  const cases: [value: string, told: string][] = [
    ['{ memory: 14 }', `6:21 requires.memory: ${size}, or "auto", got 14. Did you mean "14GiB"?`],
    ['{ memory: 14g }', `6:21 requires.memory: ${size}, or "auto", got "14g". Did you mean "14GiB"?`],
    ['{ memory: much }', `6:21 requires.memory: ${size}, or "auto", got "much".`],
    ['{ memory: 0GiB }', `6:21 requires.memory: ${size}, or "auto", got "0GiB".`],
    ['{ memory: [14GiB] }', `6:13 requires.memory: ${size}, or "auto", got a list.`],
    ['{ disk: -1 }', `6:19 requires.disk: ${size}, got -1.`],
    ['{ vendor: nvida }', `6:21 requires.vendor: ${vendors}, got "nvida". Did you mean "nvidia"?`],
    ['{ vendor: [amd, intel] }', `6:27 requires.vendor.1: ${vendors}, got "intel".`],
    ['{ vendor: [] }', '6:13 requires.vendor: expected at least one of nvidia, amd, apple, cpu.'],
    [
      '{ capability: sm_86 }',
      '6:25 requires.capability: expected a capability such as "8.0", got "sm_86". Did you mean "8.6"?'
    ],
    ['{ capability: -8 }', '6:25 requires.capability: expected a capability such as "8.0", got -8.'],
    ['{ bf16: yes }', '6:19 requires.bf16: expected true, got "yes".'],
    ['{ packages: torch }', `6:23 requires.packages: ${names}, got "torch". Write [torch].`],
    ['{ assets: [8] }', '6:22 requires.assets.0: expected text, got 8. Put it in quotes: "8".'],
    ['{ memroy: 14GiB }', '6:13 requires.memroy: unknown key. Did you mean "memory"?'],
    [
      '14GiB',
      '6:11 requires: expected a map with "memory", "vendor", "capability", "bf16", "disk", "packages", "assets", "memory_effects" or "model", got "14GiB".'
    ]
  ]
  for (const [value, told] of cases) t.same(problems(value), [told], value)
})

t.test('slips about parameters and the model', async t => {
  const model = (changes: string) => problems(`{ model: { hidden: 8, layers: 2, vocabulary: 9, ${changes} } }`)
  const cases: [found: string[], told: RegExp][] = [
    [
      problems('{ memory_effects: { max_seq_len: up } }'),
      /^6:31 .*_len: no parameter is named "max_seq_len"\. Did you mean "max_seq_length"\?$/
    ],
    [
      problems('{ memory_effects: { optimizer: donw } }'),
      /^6:42 .*expected "up", "up2", "down", "none" or "same", got "donw"\. Did you mean "down"\?$/
    ],
    [problems('{ memory_effects: { 9: up } }'), /^6:31 requires\.memory_effects\.9: a name starts with a letter/],
    [problems('{ memory_effects: up }'), /expected a map from parameters to up, up2, down, none, same, got "up"\.$/],
    [
      model('parameters: 8B, fine_tuning: lora'),
      /model\.parameters: expected a number, got "8B"\. Did you mean 8e9\?$/
    ],
    [model('parameters: 0, fine_tuning: lora'), /expected a number of parameters, such as 8\.03e9, got 0\.$/],
    [model('parameters: 8e9'), /^6:13 requires\.model\.fine_tuning: missing\. Add "fine_tuning: lora"\.$/],
    [
      model('parameters: 8e9, fine_tuning: qlra'),
      /expected "full", "lora" or "qlora", got "qlra"\. Did you mean "qlora"\?$/
    ],
    [model('parameters: 8e9, fine_tuning: lora, heads: 1.5'), /model\.heads: expected a whole number from 1 to/]
  ]
  for (const [found, told] of cases) t.match(found, [told])
  t.match(problems('lora'), [/^6:11 requires: expected a map with "memory"/])
})

t.test('what is too much is told, and parameters that could not be read are told once', async t => {
  const many = `[${Array.from({ length: LIMITS.requirementsPerSweep + 1 }, (_, i) => `p${i}`).join(', ')}]`
  t.match(problems(`{ packages: ${many} }`), [/^6:13 requires\.packages: Too big/])
  t.match(problems(`{ assets: [${'a'.repeat(LIMITS.nameChars + 1)}] }`), [/^6:22 requires\.assets\.0: Too big/])
  const text = `${HEAD.replace('values: [512, 2048]', 'valeus: [1]')}requires: { memory_effects: { other: up } }\n`
  t.throws(() => readSweepText(text, 'sweep.yaml'), { message: /^(?!.*no parameter is named)/s })
})
