/**
 * Text of strangers on a terminal: what it may not do there.
 */
import fc from 'fast-check'
import t from 'tap'
import { jsonLine } from '../../cli/cli.js'
import { plain, plainLines, plainView } from '../../cli/terminal/plain.js'

t.test('plain: no escape sequence survives, nor what it carried', async t => {
  t.equal(plain('\u001b[31mred\u001b[0m'), 'red')
  t.equal(plain('\u001b]0;a title\u0007name'), 'name')
  t.equal(plain('\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\'), 'link')
  t.equal(plain('\u009b2Jname'), 'name') // The one-character form of ESC [.
  t.equal(plain('a\u001bcb'), 'ab') // A full reset.
})

t.test('plain: one line stays one line, and reads in one direction', async t => {
  t.equal(plain('ada\nok 1 forged'), 'ada ok 1 forged')
  t.equal(plain('evil\u202egpj.exe'), 'evilgpj.exe')
  t.equal(plain('a\u200bd\u2060a'), 'ada') // Unseen characters make two names look alike.
  t.equal(plain('日本 naïve 👩‍🔬'), '日本 naïve 👩‍🔬')
})

t.test('plainLines: a carriage return ends a line instead of hiding it', async t => {
  t.equal(plainLines('10%\r50%\r\ndone\n'), '10%\n50%\ndone\n')
})

t.test('plain: whatever the text, no control character is left', async t => {
  const text = fc.string({ unit: fc.integer({ min: 0, max: 0x250 }).map(code => String.fromCharCode(code)) })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  const isPlain = (words: string) => !/[\u0000-\u001f\u007f-\u009f]/.test(plain(words))
  t.doesNotThrow(() => fc.assert(fc.property(text, isPlain)))
})

t.test('plainView: every text of a view, names of parameters included, and only programs keep their lines', async t => {
  const view = {
    name: 'a\u001b[2J\nb',
    parameters: { 'l\u0007r': 'x\ny' },
    tail: 'one\n\u001b[1mtwo',
    value: 0.5,
    list: ['\u0000']
  }
  t.same(plainView(view), { name: 'a b', parameters: { lr: 'x y' }, tail: 'one\ntwo', value: 0.5, list: [''] })
})

t.test('jsonLine: the same value, in characters that a terminal only shows', async t => {
  const value = { name: 'a\u009b2J\u202eb\u001b' }
  t.equal(jsonLine(value), '{"name":"a\\u009b2J\\u202eb\\u001b"}')
  t.same(JSON.parse(jsonLine(value)), value)
})
