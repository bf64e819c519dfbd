/**
 * The judging of ends: what a program's last words, its exit and our own stop make of an attempt.
 */
import fc from 'fast-check'
import t from 'tap'
import { LIMITS } from '#protocol'
import type { Report } from '../../agent/ports.js'
import { causeOf } from '../../agent/runner/causes.js'
import { createHistory, isDiverged, note, type Point, thin } from '../../agent/runner/history.js'
import { type Ending, judge } from '../../agent/runner/judge.js'

const METRIC = { name: 'val_loss', goal: 'minimize', summary: 'last' } as const

function report(step: number, value: number, others: Partial<Report> = {}): Report {
  const isNumber = Number.isFinite(value)
  return { step, metrics: isNumber ? { val_loss: value } : {}, nonFinite: isNumber ? [] : ['val_loss'], ...others }
}

function historyOf(reports: readonly Report[], metric: Ending['history']['metric'] = METRIC) {
  const history = createHistory(metric)
  for (const one of reports) note(history, one)
  return history
}

function judgeOf(ending: Partial<Ending>, reports: readonly Report[] = [report(1, 2)]) {
  return judge({ history: historyOf(reports), output: '', seconds: 1, ...ending })
}

/** A crash as Python prints it, ending in `error`. */
const crash = (error: string) =>
  `Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\n${error}\n`

const OOM_TEXTS = [
  'RuntimeError: CUDA out of memory. Tried to allocate 88.00 MiB (GPU 0; 10.76 GiB total capacity; 9.77 GiB already allocated)',
  'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 50.00 MiB. GPU 0 has a total capacity of 21.98 GiB',
  'torch.OutOfMemoryError: HIP out of memory. Tried to allocate 50.00 MiB.',
  'RuntimeError: MPS backend out of memory (MPS allocated: 5.50 GB, other allocations: 14.76 GB, max allowed: 20.40 GB).',
  'RuntimeError: CUDA error: out of memory',
  'RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`',
  'jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 7406166528 bytes.',
  'ResourceExhaustedError: OOM when allocating tensor with shape[128,128,109,109] and type float on GPU:1',
  'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 144817.04 MiB on device 0: cudaMalloc failed: out of memory',
  'libc++abi: terminating due to uncaught exception of type std::runtime_error: [METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)',
  'Error out of memory at line 380 in file /src/csrc/pythonInterface.c',
  'MemoryError: Unable to allocate 8.00 GiB for an array'
]

t.test('each framework’s words for too little memory mean oom, but only of a program that failed', async t => {
  for (const text of OOM_TEXTS) {
    t.match(
      judgeOf({ exitCode: 1, output: `${text}\n` }),
      { class: 'oom', message: /memory ran out/ },
      text.slice(0, 50)
    )
    t.equal(judgeOf({ exitCode: 0, output: `${text}\n` }).class, 'complete', 'caught and survived')
  }
})

t.test('the last crash decides, not what was caught before it', async t => {
  const oom = crash('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 50.00 MiB.')
  t.match(judgeOf({ exitCode: 1, output: oom + crash('KeyError: 3') }), { class: 'error', message: /: KeyError: 3$/ })
  const chain = '\nThe above exception was the direct cause of the following exception:\n\n'
  t.equal(judgeOf({ exitCode: 1, output: oom + chain + crash('RuntimeError: gave up') }).class, 'oom')
  const launched = `[rank0]: ${oom.trim().replaceAll('\n', '\n[rank0]: ')}\n${crash('torch.distributed.elastic.multiprocessing.errors.ChildFailedError:')}`
  t.equal(judgeOf({ exitCode: 1, output: launched }).class, 'oom', 'the launcher’s own crash says nothing')
  const failed =
    crash('ValueError: bad') +
    crash("subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1.")
  t.match(judgeOf({ exitCode: 1, output: failed }), { class: 'error', message: /: ValueError: bad$/ })
})

t.test('what this machine lacks is the environment’s fault, not the trial’s', async t => {
  const texts = [
    crash("ModuleNotFoundError: No module named 'torch'"),
    '/usr/bin/env: ‘python3’: No such file or directory\n',
    crash('OSError: [Errno 28] No space left on device'),
    crash('RuntimeError: Found no NVIDIA driver on your system.')
  ]
  for (const output of texts)
    t.match(judgeOf({ exitCode: 1, output }), { class: 'environment', message: /cannot run the program/ })
  t.equal(causeOf(crash("FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'")), undefined)
})

t.test('a kill that was not ours means that memory ran out; a polite signal means that the machine did it', async t => {
  t.equal(judgeOf({ signal: 'SIGKILL' }).class, 'oom')
  t.equal(judgeOf({ exitCode: 137 }).class, 'oom')
  t.equal(judgeOf({ signal: 'SIGKILL', reason: 'released' }).class, 'released')
  t.equal(judgeOf({ signal: 'SIGTERM' }).class, 'environment')
  t.match(judgeOf({ signal: 'SIGSEGV' }), { class: 'error', message: 'The program ended by SIGSEGV.' })
})

t.test('our own stop decides, whatever the exit code', async t => {
  t.equal(judgeOf({ exitCode: 0, reason: 'sweep-stopped' }).class, 'stopped')
  t.equal(judgeOf({ exitCode: 1, reason: 'agent-closing' }).class, 'released')
  t.match(judgeOf({ exitCode: 0, reason: 'time-limit', timeLimitMs: 1500 }), {
    class: 'timeout',
    message: /limit of 1\.5 s/
  })
})

t.test('complete needs exit code 0 and the objective; what is missing is said', async t => {
  t.match(judgeOf({ exitCode: 0 }), { class: 'complete', value: 2, message: undefined })
  t.match(judgeOf({ exitCode: 1 }), {
    class: 'error',
    message: 'The program ended with exit code 1.',
    value: undefined
  })
  t.match(judgeOf({ exitCode: 0 }, []), { class: 'error', message: /printed no metrics.*print\(json\.dumps/ })
  const others = { step: 1, metrics: { train_loss: 1, valloss: 2 }, nonFinite: [] }
  t.match(judgeOf({ exitCode: 0 }, [others]), {
    message: 'The program printed train_loss and valloss, but never "val_loss". Did you mean "valloss"?'
  })
})

t.test('an objective that is no number at the end, or twice in a row, has diverged', async t => {
  t.equal(judgeOf({ exitCode: 0 }, [report(1, 2), report(2, Number.NaN)]).class, 'diverged')
  t.equal(judgeOf({ exitCode: 0 }, [report(1, Number.NaN), report(2, 2)]).class, 'complete', 'it came back')
  t.notOk(isDiverged(historyOf([report(1, Number.NaN), report(2, 2), report(3, Number.NaN)])))
  t.ok(isDiverged(historyOf([report(1, Number.NaN), report(2, Number.NaN)])))
  t.notOk(isDiverged(historyOf([report(1, Number.NaN), report(1, Number.NaN)])), 'one step told twice is one')
  const masked = (step: number) => report(step, 0, { nonFinite: ['grad_norm'] })
  t.ok(isDiverged(historyOf([masked(1), masked(2)])), 'a loss of 0 beside a gradient of NaN')
})

t.test('the value is the last or the best, as the sweep says', async t => {
  const reports = [report(1, 3), report(2, 1), report(3, 2)]
  const value = (summary: 'last' | 'best', goal: 'minimize' | 'maximize') =>
    judge({ history: historyOf(reports, { ...METRIC, goal, summary }), exitCode: 0, output: '', seconds: 1 }).value
  t.same([value('last', 'minimize'), value('best', 'minimize'), value('best', 'maximize')], [2, 1, 3])
})

t.test('a result fits its record: text is cut and clean, metrics are few, the objective first', async t => {
  const metrics = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`m${i}`, i]))
  const output = `ValueError: ${'😀'.repeat(5000)}\u0007\n`
  const exit = judgeOf({ exitCode: 1, output }, [report(1, 2, { metrics }), report(2, 1)])
  t.ok((exit.message?.length ?? 0) <= LIMITS.messageChars && exit.tail.length <= LIMITS.tailChars)
  t.notMatch(exit.message, /[\p{Cc}\p{Cs}]/u, 'no control character and no half of one')
  t.notMatch(exit.tail, /\p{Cs}/u)
  t.equal(Object.keys(exit.metrics).length, LIMITS.metricsPerResult)
  t.equal(Object.keys(exit.metrics)[0], 'val_loss')
})

t.test('a thinned curve keeps its first, last and best point and its order', async () => {
  const value = fc.double({ min: -10, max: 10, noNaN: true })
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), fc.integer({ min: 3, max: 70 }), (values, max) => {
      const curve = values.map((value, i): Point => [i, value])
      const thinned = thin(curve, max, 'minimize')
      t.ok(thinned.length === Math.min(max, curve.length))
      t.same([thinned[0], thinned.at(-1)], [curve[0], curve.at(-1)])
      t.equal(Math.min(...thinned.map(point => point[1])), Math.min(...values))
      t.ok(thinned.every((point, i) => i === 0 || point[0] > (thinned[i - 1]?.[0] ?? 0)))
    })
  )
})

t.test('a long attempt’s curve stays bounded, sorted, each step once', async t => {
  const history = createHistory(METRIC)
  for (let step = 0; step < 10_000; step++) note(history, report(step, Math.abs(step - 5000)))
  note(history, report(7000.5, 1))
  t.ok(history.curve.length < LIMITS.curvePointsRunning)
  t.ok(history.curve.every((point, i) => i === 0 || point[0] > (history.curve[i - 1]?.[0] ?? 0)))
  t.same(
    [history.curve[0], history.best],
    [
      [0, 5000],
      [5000, 0]
    ]
  )
  t.ok(
    history.curve.some(([, value]) => value === 0),
    'the best point was never thinned away'
  )
})
