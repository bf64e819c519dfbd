import fc from 'fast-check'
import t from 'tap'
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../protocol/units.js'

t.test('parseDuration: numbers with units, and nothing else', async t => {
  t.equal(parseDuration('90s'), 90_000)
  t.equal(parseDuration('2h'), 7_200_000)
  t.equal(parseDuration('500ms'), 500)
  t.equal(parseDuration(' 1h 30m '), 5_400_000)
  t.equal(parseDuration('1.5m'), 90_000)
  for (const text of ['', '90', 's', '-1s', '1e3s', '2 hours', '1s,', '1  s', 'Infinitys', '1ss']) {
    t.equal(parseDuration(text), undefined, text)
  }
})

t.test('formatDuration: the two largest units, cut', async t => {
  const cases: [number, string][] = [
    [0, '0s'],
    [-5, '0s'],
    [850, '850ms'],
    [12_999, '12s'],
    [200_000, '3m 20s'],
    [7_200_000, '2h'],
    [7_259_999, '2h'],
    [90_000_000, '1d 1h']
  ]
  for (const [ms, text] of cases) t.equal(formatDuration(ms), text)
})

t.test('what formatDuration writes, parseDuration reads as no more than it was', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e11 }), ms => {
      const read = parseDuration(formatDuration(ms))
      return read !== undefined && read <= ms && ms - read < Math.max(1000, ms / 20)
    })
  )
})

t.test('sizes: binary and decimal units both mean what they say', async t => {
  t.equal(parseBytes('20GiB'), 20 * 2 ** 30)
  t.equal(parseBytes('1.5 GB'), 1_500_000_000)
  t.equal(parseBytes('512B'), 512)
  for (const text of ['', '20', '20 gib', '-1GiB', '999999999999TiB']) t.equal(parseBytes(text), undefined, text)
  t.equal(formatBytes(24 * 2 ** 30), '24.0 GiB')
  t.equal(formatBytes(1023), '1023 B')
  t.equal(formatBytes(1536), '1.5 KiB')
})
