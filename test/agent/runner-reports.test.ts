/**
 * The reading of what programs print: the same reports however the text is cut, and nothing that throws.
 */
import { appendFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { LIMITS } from '#protocol'
import type { Report } from '../../agent/ports.js'
import { createMetricsReader } from '../../agent/runner/metrics.js'
import { createReportParser } from '../../agent/runner/reports.js'

const ESC = String.fromCharCode(27)

function parse(...chunks: readonly Uint8Array[]): Report[] {
  const parser = createReportParser()
  return [...chunks.flatMap(chunk => parser.push(chunk)), ...parser.end()]
}

const parseText = (text: string) => parse(Buffer.from(text))
const metricsOf = (text: string) => parseText(text).map(report => report.metrics)

t.test('a line of JSON with a number is a report; its step and its length are found by name', async t => {
  t.same(parseText('{"step": 10, "total_steps": 40, "loss": 1.5}\n'), [
    { step: 10, steps: 40, metrics: { step: 10, total_steps: 40, loss: 1.5 }, nonFinite: [] }
  ])
  for (const name of ['step', 'global_step', 'iteration', 'iter', 'epoch']) {
    t.equal(parseText(`{"${name}": 7, "loss": 1}`)[0]?.step, 7, name)
  }
})

t.test('numbers may be bare NaN and Infinity, strings, nested one level, or NumPy’s', async t => {
  t.match(parseText('{"a": NaN, "b": -Infinity, "c": "nan", "d": "inf", "e": "1.2e-3", "f": 1e999}'), [
    { metrics: { e: 0.0012 }, nonFinite: ['a', 'b', 'c', 'd', 'f'] }
  ])
  t.same(metricsOf('{"eval": {"loss": 2, "deep": {"x": 1}}, "flag": true, "none": null, "list": [1]}'), [
    { 'eval/loss': 2 }
  ])
  t.same(metricsOf("{'loss': np.float64(0.25), 'n': np.int64(3)}"), [{ loss: 0.25, n: 3 }])
})

t.test('the lines of Hugging Face trainers are reports, old form and new', async t => {
  const old = "{'loss': 1.5214, 'grad_norm': nan, 'learning_rate': 1.4285714285714286e-06, 'epoch': 0.01}"
  t.match(parseText(old), [
    { metrics: { loss: 1.5214, learning_rate: 1.4285714285714286e-6 }, nonFinite: ['grad_norm'] }
  ])
  const now = "{'loss': '14.88', 'grad_norm': '2.578', 'epoch': '0.00748', 'num_input_tokens_seen': 286019}"
  t.same(metricsOf(now), [{ loss: 14.88, grad_norm: 2.578, epoch: 0.00748, num_input_tokens_seen: 286019 }])
})

t.test(
  'without a step reports are counted; a fraction of an epoch is no step, nor is the whole one after it',
  async t => {
    const steps = (text: string) => parseText(text).map(report => report.step)
    t.same(steps('{"loss": 3}\n{"loss": 2}\n{"loss": 1}\n'), [1, 2, 3])
    t.same(steps("{'eval_loss': 3, 'epoch': 0}\n{'loss': 2, 'epoch': 0.5}\n{'loss': 1, 'epoch': 1.0}"), [0, 2, 3])
    t.same(steps('{"step": 500, "loss": 3}\n{"test_loss": 2}\n'), [500, 500], 'a summary belongs to the last step')
  }
)

t.test('progress bars, colours and Windows line ends do not hide a report', async t => {
  const bar = `\r  3%|▎ | 15/500 [00:01<00:40]\r${' '.repeat(80)}\r`
  t.same(metricsOf(`${bar}${ESC}[1m{"loss": ${ESC}[32m2}${ESC}[0m\r\n{"loss": 1}\r`), [{ loss: 2 }, { loss: 1 }])
})

t.test('names are made safe to show and to record', async t => {
  t.same(metricsOf('{"memory/max (GiB)": 1.5, "1st": 2, "\\u202eevil": 3, "__proto__": 4, "constructor": 5}'), [
    { 'memory/max__GiB_': 1.5, _1st: 2, _evil: 3 }
  ])
})

t.test('what is not one whole dictionary is not a report', async t => {
  const lines = [
    'loss: 1.5',
    '[1, 2]',
    '{}',
    '{"a": "x"}',
    '{"a": 1',
    '{"a": 1} and more',
    '{"a": tensor(1)}',
    '{1}',
    '{:1}'
  ]
  for (const line of [...lines, '{"a":'.repeat(5000) + '}'.repeat(5000)]) t.same(parseText(line), [], line.slice(0, 40))
  const long = `{"a": 1, "pad": "${'x'.repeat(LIMITS.lineBytes)}"}\n`
  t.same(metricsOf(`${long}{"b": 1}\n`), [{ b: 1 }], 'a line beyond the limit is skipped, the next one is not')
})

t.test(
  'a metrics file is read on where it was left, anew when it shrinks, and to its end beyond the limit',
  async t => {
    const path = join(t.testdir({}), 'metrics.jsonl')
    const reader = createMetricsReader(path)
    const steps = (reports: readonly Report[] | undefined) => reports?.map(report => report.step)
    t.equal(await reader.next(), undefined, 'there is no file yet')
    await writeFile(path, '{"step": 1}\n{"st')
    t.same(steps(await reader.next()), [1])
    await appendFile(path, 'ep": 2}\n')
    t.same(steps(await reader.next()), [2])
    await writeFile(path, '{"step": 3}\n')
    t.same(steps(await reader.next()), [3])
    t.equal(await reader.next(), undefined)

    await truncate(path, 2 * LIMITS.metricsBytes)
    await appendFile(path, '\n{"step": 9}')
    while ((await reader.next()) !== undefined);
    t.same(steps(await reader.end()), [9])
  }
)

/** Pieces of real output, so that random texts come close to reports. */
const piece = fc.constantFrom(
  ...[
    '{"step": 1, "loss": 2.5}',
    "{'loss': nan, 'épo': '1e-3'}",
    '"ключ": NaN',
    '▂▃',
    '\r',
    '\n',
    '\r\n',
    '{',
    '}',
    '\\',
    '"'
  ],
  ...[`${ESC}[31m`, `${ESC}]0;x`, ' ', ',', '{"s": "\\u00', '{"😀": 1}', '\t']
)

t.test('however the bytes are cut into chunks, the reports are the same', async () => {
  const bytes = fc.oneof(
    fc.array(piece, { maxLength: 40 }).map(pieces => new Uint8Array(Buffer.from(pieces.join('')))),
    fc.uint8Array({ maxLength: 200 })
  )
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(400), { maxLength: 12 }), (all, cuts) => {
      const borders = [0, ...cuts.map(cut => Math.min(cut, all.length)).sort((a, b) => a - b), all.length]
      const chunks = borders.slice(1).map((end, i) => all.slice(borders[i], end))
      t.strictSame(parse(...chunks), parse(all))
    })
  )
})

t.test('no bytes make the parser throw', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), chunks =>
      Array.isArray(parse(...chunks))
    )
  )
})
