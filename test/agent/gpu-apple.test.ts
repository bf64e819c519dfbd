/**
 * The GPU of an Apple chip, by texts as the commands of macOS print them.
 */
import t from 'tap'
import { openApple, parseIoreg, parseVmStat, wiredLimitBytes } from '../../agent/gpu/apple.js'

const GIB = 1024 ** 3
const ignore = () => undefined

const IOREG = `+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X, id 0x1000004c9, registered, matched, active, busy 0>
    {
      "IOClass" = "AGXAcceleratorG15X"
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=6120243200,"Tiler Utilization %"=11,"recoveryCount"=0,"Device Utilization %"=37,"Renderer Utilization %"=35,"In use system memory"=2147483648}
      "model" = "Apple M3 Max"
    }
`
const VM_STAT = `Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                              100000.
Pages active:                            900000.
Pages inactive:                          800000.
Pages speculative:                        20000.
Pages throttled:                              0.
Pages wired down:                        200000.
Pages purgeable:                           3000.
File-backed pages:                       300000.
`

const mac = (answers: Readonly<Record<string, string>>) => async (command: string, words: readonly string[]) => {
  const answer = answers[words[1] ?? command] ?? answers[command]
  if (answer === undefined) throw new Error(`${command} ${words.join(' ')} is not known here`)
  return answer
}
const ANSWERS = {
  'machdep.cpu.brand_string': 'Apple M3 Max\n',
  'hw.memsize': `${64 * GIB}\n`,
  'iogpu.wired_limit_mb': '0\n',
  '/usr/sbin/ioreg': IOREG,
  '/usr/bin/vm_stat': VM_STAT
}

t.test(
  'what the GPU may wire: two thirds of a small memory, three quarters of a large one, or what is set',
  async t => {
    t.equal(wiredLimitBytes(24 * GIB, 0), 16 * GIB)
    t.equal(wiredLimitBytes(36 * GIB, 0), 24 * GIB)
    t.equal(wiredLimitBytes(64 * GIB, 0), 48 * GIB)
    t.equal(wiredLimitBytes(64 * GIB, 57344), 56 * GIB)
  }
)

t.test('ioreg: the share of busy time, and what the GPU holds; not what its driver does', async t => {
  t.same(parseIoreg(IOREG), { utilisation: 0.37, usedBytes: 2 * GIB })
  t.same(parseIoreg(''), {})
})

t.test('vm_stat: free, speculative, purgeable and file-backed pages', async t => {
  t.equal(parseVmStat(VM_STAT), 423_000 * 16384)
  t.equal(parseVmStat('zsh: command not found'), undefined)
})

t.test('a Mac is one device whose memory is the system’s', async t => {
  const source = await openApple({ log: ignore, run: mac(ANSWERS) })
  t.same(await source?.read(false), [
    {
      device: {
        id: 'apple',
        vendor: 'apple',
        model: 'Apple M3 Max',
        memoryBytes: 48 * GIB,
        isUnified: true,
        bf16: true,
        freeBytes: Math.floor((423_000 * 16384) / 2 ** 26) * 2 ** 26,
        utilisation: 0.37
      }
    }
  ])
  const { PYTORCH_MPS_HIGH_WATERMARK_RATIO: high, PYTORCH_MPS_LOW_WATERMARK_RATIO: low } =
    source?.environment('apple') ?? {}
  t.ok(Number(low) <= Number(high), 'PyTorch refuses marks that are the wrong way round')
  await source?.close()
})

t.test('commands that fail cost their facts alone', async t => {
  const { 'iogpu.wired_limit_mb': _, '/usr/sbin/ioreg': __, '/usr/bin/vm_stat': ___, ...few } = ANSWERS
  const source = await openApple({ log: ignore, run: mac(few) })
  const [reading] = (await source?.read(false)) ?? []
  t.match(reading?.device, { memoryBytes: 48 * GIB })
  t.notOk('freeBytes' in (reading?.device ?? {}) || 'utilisation' in (reading?.device ?? {}))
})

t.test('a Mac of Intel’s, and no Mac at all: no source', async t => {
  const intel = { ...ANSWERS, 'machdep.cpu.brand_string': 'Intel(R) Core(TM) i9-9880H CPU @ 2.30GHz' }
  t.equal(await openApple({ log: ignore, run: mac(intel) }), undefined)
  const reasons: object[] = []
  t.equal(await openApple({ log: (_, fields) => reasons.push(fields), run: mac({}) }), undefined)
  t.equal(reasons.length, 1)
})
