/**
 * Tables: aligned, and never wider than the terminal.
 */
import t from 'tap'
import { type Column, pairs, table } from '../../cli/terminal/table.js'
import { columnsOf, fit, pad, wrap } from '../../cli/terminal/width.js'

const COLUMNS: readonly Column[] = [
  { title: 'machine', shrinksTo: 6 },
  { title: 'trials', align: 'right' },
  { title: 'devices', shrinksTo: 8, leavesAt: 1 },
  { title: 'trained', align: 'right', leavesAt: 2 }
]
const ROWS = [
  ['ada-desktop', '12', 'RTX 3060 12.0 GiB', '2m 10s'],
  ['日本', '9', 'cpu', '1h']
]
const at = (columns: number) => `\n${table(COLUMNS, ROWS, { columns }).join('\n')}\n`

t.test('table: columns stand below each other, wide characters included', async t => {
  t.equal(
    at(80),
    `
machine      trials  devices            trained
ada-desktop      12  RTX 3060 12.0 GiB   2m 10s
日本              9  cpu                     1h
`
  )
})

t.test('table: where there is no room, long cells are cut first, then columns go', async t => {
  t.equal(
    at(40),
    `
machine     trials  devices      trained
ada-deskt…      12  RTX 3060 1…   2m 10s
日本             9  cpu               1h
`
  )
  t.equal(
    at(26),
    `
machine   trials  devices
ada-des…      12  RTX 306…
日本           9  cpu
`
  )
  t.equal(
    at(18),
    `
machine     trials
ada-deskt…      12
日本             9
`
  )
})

t.test('table: a terminal too narrow for any table gets a block for each row', async t => {
  t.equal(
    at(12),
    `
machine  ad…
trials   12
devices  RT…
trained  2m…

machine  日…
trials   9
devices  cpu
trained  1h
`
  )
})

t.test('table: what a peer wrote makes neither a line nor a colour', async t => {
  const [, row] = table([{ title: 'name' }], [['a\n\u001b[31mb']], { columns: 80 })
  t.equal(row, 'a b')
})

t.test('table: a painter gets a cell that has its width already', async t => {
  const cell = { text: 'ok', paint: (text: string) => `<${text}>` }
  t.same(table([{ title: 'state' }, { title: 'n' }], [[cell, '1']], { columns: 80 }), ['state  n', '<ok   >  1'])
})

t.test('pairs: a long value goes on in the next line, and a word is never cut', async t => {
  t.same(
    pairs(
      [
        ['name', 'lab'],
        ['members', 'ada bob cy'],
        ['home', '/a/very/long/path']
      ],
      { columns: 16 }
    ),
    ['name     lab', 'members  ada bob', '         cy', 'home     /a/very/long/path']
  )
})

t.test('width: what a text takes on a terminal, not how many units it has', async t => {
  t.equal(columnsOf('naïve'), 5)
  t.equal(columnsOf('e\u0301'), 1) // A letter and its accent.
  t.equal(columnsOf('日本'), 4)
  t.equal(columnsOf('👩‍🔬'), 2)
  t.equal(fit('日本語', 5), '日本…')
  t.equal(pad('日', 4, 'right'), '  日')
  t.same(wrap('one two three', 7), ['one two', 'three'])
})
