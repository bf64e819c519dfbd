/**
 * The desk: hours as people write them, and what a computer tells of itself.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { batteryIn, runningAmong, untouchedByIoreg, untouchedByLogind, watchDesk } from '../../agent/desk/desk.js'
import { minuteOfWeek, parseSpan } from '../../agent/desk/schedule.js'
import type { DeskNews } from '../../agent/owner.js'

const [HOUR, DAY] = [60, 24 * 60]

/** Makes files below a folder that stands for `/`. */
function rootWith(t: Test, files: Readonly<Record<string, string>>): string {
  const root = t.testdir({})
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return root
}

t.test('spans: each day, some days, over midnight and over the week', async t => {
  t.equal(parseSpan('08:00-10:00')?.length, 7)
  t.same(parseSpan('tue 08:00-10:30'), [{ fromMinute: DAY + 8 * HOUR, toMinute: DAY + 10 * HOUR + 30 }])
  t.same(parseSpan('sat-sun 00:00-24:00'), [
    { fromMinute: 5 * DAY, toMinute: 6 * DAY },
    { fromMinute: 6 * DAY, toMinute: 7 * DAY }
  ])
  t.same(parseSpan('mon 22:00-08:00'), [{ fromMinute: 22 * HOUR, toMinute: DAY + 8 * HOUR }])
  t.same(parseSpan('Sun 22:00 - 08:00'), [
    { fromMinute: 6 * DAY + 22 * HOUR, toMinute: 7 * DAY },
    { fromMinute: 0, toMinute: 8 * HOUR }
  ])
  t.same(
    parseSpan('sun-mon 01:00-02:00')?.map(span => span.fromMinute),
    [HOUR, 6 * DAY + HOUR]
  )
  for (const text of ['', '8-10', '25:00-26:00', '08:61-09:00', 'day 08:00-09:00', '08:00-08:00', '08:00-24:01'])
    t.equal(parseSpan(text), undefined, text)
})

t.test('the week begins on Monday', async t => {
  t.equal(minuteOfWeek(new Date(2026, 10, 23, 0, 1)), 1, 'a Monday')
  t.equal(minuteOfWeek(new Date(2026, 10, 29, 23, 59)), 7 * DAY - 1, 'a Sunday')
})

t.test('a battery: on the mains, off it, a desktop, and a mouse', async t => {
  const supply = (name: string, file: string) => `sys/class/power_supply/${name}/${file}`
  const laptop = (online: string) => ({
    [supply('BAT0', 'type')]: 'Battery\n',
    [supply('AC', 'type')]: 'Mains\n',
    [supply('AC', 'online')]: online
  })
  t.equal(batteryIn(rootWith(t, laptop('1\n'))), false)
  t.equal(batteryIn(rootWith(t, laptop('0\n'))), true)
  t.equal(batteryIn(rootWith(t, {})), undefined)
  const mouse = { [supply('hid', 'type')]: 'Battery', [supply('hid', 'scope')]: 'Device' }
  t.equal(batteryIn(rootWith(t, mouse)), undefined)
  const alone = { [supply('BAT0', 'type')]: 'Battery', [supply('BAT0', 'status')]: 'Discharging' }
  t.equal(batteryIn(rootWith(t, alone)), true)
})

t.test('a program that its owner wants alone is found by the name of its file', async t => {
  const root = rootWith(t, {
    'proc/17/cmdline': '/usr/bin/python3\0train.py\0',
    'proc/17/comm': 'python3\n',
    'proc/18/cmdline': 'Z:\\games\\Factory.exe\0-windowed\0',
    'proc/18/comm': 'Factory.exe\n',
    'proc/meminfo': ''
  })
  t.equal(runningAmong(['blender', 'factory.exe'], root), 'factory.exe')
  t.equal(runningAmong(['blender', 'train.py'], root), undefined)
  t.equal(runningAmong([], root), undefined)
})

t.test('how long nobody touched it', async t => {
  t.equal(untouchedByLogind('IdleHint=yes\nIdleSinceHint=1000000\n', 61_000), 60_000)
  t.equal(untouchedByLogind('IdleHint=no\nIdleSinceHint=1000000\n', 61_000), 0)
  t.equal(untouchedByLogind('IdleHint=yes\nIdleSinceHint=0\n', 61_000), undefined)
  t.equal(untouchedByLogind('Failed to get path', 61_000), undefined)
  t.equal(untouchedByIoreg('    | |   "HIDIdleTime" = 5000000000\n'), 5000)
  t.equal(untouchedByIoreg(''), undefined)
})

t.test('it is looked at once at the start, and what cannot be told is absent', async t => {
  const news: DeskNews[] = []
  const date = () => new Date(2026, 10, 23, 1, 0)
  const options = { exclusivePrograms: [], needsTouch: false, date, now: () => 0, root: t.testdir({}) }
  watchDesk({ ...options, onNews: each => news.push(each) }).close()
  t.same(news, [{ minuteOfWeek: 60 }])
})
