/**
 * Messages and help on terminals of every width.
 */
import t from 'tap'
import { streamColumns, wrapHelp, wrapMessage } from '../../cli/terminal/message.js'
import { COLOUR_STYLE } from '../../cli/terminal/style.js'

t.test('wrapMessage: breaks between words, never inside a command, a source line or a long word', async t => {
  t.equal(
    wrapMessage('hint: Start it with `hypersweep up`. Or not.', 24),
    'hint: Start it with\n`hypersweep up`. Or not.'
  )
  t.equal(wrapMessage('  a line to copy as it is', 10), '  a line to copy as it is')
  t.equal(wrapMessage('see /a/very/long/path now', 10), 'see\n/a/very/long/path\nnow')
  t.equal(wrapMessage('one\n\ntwo words', 80), 'one\n\ntwo words')
  t.equal(wrapMessage('an odd ` stays', 6), 'an odd\n`\nstays')
})

t.test('wrapMessage: colours take no column', async t => {
  const text = `${COLOUR_STYLE.bad('error:')} twelve chars`
  t.equal(wrapMessage(text, 19), text)
  t.match(wrapMessage(text, 18), /twelve\nchars$/)
})

t.test('wrapHelp: what stands beside a flag goes on below its own start', async t => {
  const help = `FLAGS\n     [--yes]  Ask no question, ${'whatever it is '.repeat(2)}about`
  t.equal(
    wrapHelp(help, 40),
    'FLAGS\n     [--yes]  Ask no question, whatever\n              it is whatever it is about'
  )
})

t.test('streamColumns: a pipe breaks nothing, a terminal has a width', async t => {
  t.equal(streamColumns({ columns: 20 }), Number.POSITIVE_INFINITY)
  t.equal(streamColumns({ isTTY: true, columns: 60 }), 60)
  t.equal(streamColumns({ isTTY: true }), 80)
})
