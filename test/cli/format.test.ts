/**
 * Values for people, and for a shell.
 */
import { execFileSync } from 'node:child_process'
import t from 'tap'
import { ago, copyableParameters, count, plural, shortNumber, shortParameters } from '../../cli/terminal/format.js'

t.test('shortNumber: four digits that matter', async t => {
  const shown = [0, 3, -1.5, 0.123456, 12345.678, 123456789, 0.0000314159, -2.5e-9, 1.5e12, 1e-7].map(shortNumber)
  t.same(shown, ['0', '3', '-1.5', '0.1235', '12350', '123456789', '3.142e-5', '-2.5e-9', '1.5e12', '1e-7'])
})

t.test('counts and ages', async t => {
  t.equal(count(1234567), '1,234,567')
  t.same([plural(1, 'trial'), plural(1200, 'trial')], ['1 trial', '1,200 trials'])
  t.same([ago(1000, 91_000), ago(1000, 1500), ago(9000, 1000)], ['1m 30s ago', 'just now', 'just now'])
})

t.test('copyableParameters: a shell reads back the values, in full, and runs nothing', async t => {
  const parameters = { lr: 0.123456789012345, opt: 'adam', note: "it's; $(echo bad) `id`\n", flag: true, none: null }
  t.equal(shortParameters({ lr: 0.123456789012345, opt: 'adam' }), 'lr=0.1235 opt=adam')
  const script = `for each in ${copyableParameters(parameters)}; do printf '%s\\0' "$each"; done`
  const read = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)
  t.same(
    read,
    Object.entries(parameters).map(([name, value]) => `--${name}=${value}`)
  )
})
