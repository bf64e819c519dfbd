/**
 * Curves drawn with characters.
 */
import t from 'tap'
import { bar, drawCurve, sparkline } from '../../cli/terminal/curve.js'
import { fallingCurve } from '../helpers/views.js'

const drawn = (points: readonly (readonly [number, number])[], columns = 40, rows = 8) =>
  `\n${drawCurve(points, { columns, rows }).join('\n')}\n`

t.test('drawCurve: a straight fall is a straight line from its largest to its smallest value', async t => {
  const line = Array.from({ length: 11 }, (_, i): [number, number] => [i * 10, 1 - i / 20])
  t.equal(
    drawn(line),
    `
  1 ┤⠉⠒⠒⠤⢄⡀
    │     ⠈⠑⠒⠤⠤⣀⡀
0.8 ┤           ⠈⠉⠑⠒⠤⣀
    │                 ⠉⠑⠒⠤⢄⣀⡀
    │                       ⠈⠉⠒⠒⠤⢄⡀
0.5 ┤                             ⠈⠑⠒⠤⠤⣀
    └───────────────────────────────────
     step 0                     step 100
`
  )
})

t.test('drawCurve: a training that falls fast and long is drawn on a logarithmic scale, and says so', async t => {
  t.equal(
    drawn(fallingCurve(80)),
    `
   2.28 ┤⡇
        │⢸
 0.6061 ┤⠈⡆
        │ ⢣
        │  ⠱⢄⡀
0.08307 ┤    ⠉⠑⠒⠲⠤⠤⠤⠤⠤⠤⢤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
        └───────────────────────────────
         step 1       log scale, step 80
`
  )
})

t.test('drawCurve: one report, equal reports, none, and some that are no numbers', async t => {
  t.equal(
    drawn([[5, 0.25]], 24, 5),
    `
     │
0.25 ┤         ⠄
     │
     └──────────────────
      step 5
`
  )
  t.equal(
    drawn(
      [
        [1, 2],
        [2, 2]
      ],
      24,
      5
    ),
    `
  │
2 ┤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤
  │
  └─────────────────────
   step 1         step 2
`
  )
  t.same(drawCurve([], { columns: 40, rows: 8 }), ['no reports yet'])
  t.same(drawCurve([[1, Number.NaN]], { columns: 40, rows: 8 }), ['no reports yet'])
})

t.test('drawCurve: no line is wider than the terminal', async t => {
  const curve = fallingCurve(500).map(([step, value]): [number, number] => [step, value * 1e-7])
  for (const columns of [24, 40, 80]) {
    t.ok(
      drawCurve(curve, { columns, rows: 10 }).every(line => line.length <= columns),
      `${columns} columns`
    )
  }
})

t.test('sparkline: low is low, high is high, and a spike is not averaged away', async t => {
  t.equal(
    sparkline(
      [
        [1, 8],
        [2, 7],
        [3, 6],
        [4, 5]
      ],
      4
    ),
    '█▆▃▁'
  )
  t.equal(sparkline(fallingCurve(12), 8), '▆▄▃▂▁▁▁▁')
  t.equal(
    sparkline(
      [
        [1, 1],
        [2, 1],
        [3, 1],
        [4, 9]
      ],
      2
    ),
    '▁█'
  )
  t.equal(sparkline([[1, 3]], 8), '▅')
  t.equal(sparkline([], 8), '')
})

t.test('bar: exactly as wide as asked, whatever the share', async t => {
  t.equal(bar(0.5, 4), '██░░')
  t.equal(bar(0.53, 4), '██▏░')
  t.equal(bar(2, 4), '████')
  t.equal(bar(Number.NaN, 4), '░░░░')
})
