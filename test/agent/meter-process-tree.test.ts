/**
 * Whose a process is: by a made-up `/proc`, and by a program that really starts others.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as passed } from 'node:timers/promises'
import t from 'tap'
import { createProcessTree, parseStat } from '../../agent/gpu/process-tree.js'
import { writeTree } from '../gpu/fake-driver.js'

const PROGRAMS = [
  { id: 'a-1', pid: 100 },
  { id: 'a-2', pid: 200 }
]

/** Returns a process's line in `/proc`, named in the worst way. */
const stat = (pid: number, parent: number, group: number, started = 1) =>
  `${pid} (python) S 1 (x) S ${parent} ${group} ${group} 0 -1 4194560 0 0 0 0 1 1 0 0 20 0 1 0 ${started} 1 1`

t.test('a line of /proc: parent, group and start, whatever the process is called', async t => {
  t.same(parseStat(stat(7, 3, 5, 99)), { parent: 3, group: 5, started: 99 })
  t.equal(parseStat(''), undefined)
})

t.test('a process is its program’s by group, by ancestry, or by its environment', async t => {
  const folder = t.testdir({})
  const tree = createProcessTree({ folder, platform: 'linux' })
  writeTree(folder, {
    '101/stat': stat(101, 1, 100),
    '102/stat': stat(102, 101, 102),
    '103/stat': stat(103, 102, 103),
    '104/stat': stat(104, 1, 104),
    '104/environ': 'HOME=/root\0HYPERSWEEP_ATTEMPT_ID=a-2\0HYPERSWEEP=1\0',
    '105/stat': stat(105, 1, 105),
    '105/environ': 'HYPERSWEEP_ATTEMPT_ID=a-9\0',
    '106/stat': stat(106, 1, 106),
    '107/stat': stat(107, 108, 107),
    '108/stat': stat(108, 107, 108)
  })
  t.equal(tree.attemptOf(200, PROGRAMS), 'a-2', 'the program itself')
  t.equal(tree.attemptOf(101, PROGRAMS), 'a-1', 'one of its group, although its parent is gone')
  t.equal(tree.attemptOf(102, PROGRAMS), 'a-1', 'a child that left the group')
  t.equal(tree.attemptOf(103, PROGRAMS), 'a-1', 'its child')
  t.equal(tree.attemptOf(104, PROGRAMS), 'a-2', 'a daemon')
  t.equal(tree.attemptOf(105, PROGRAMS), undefined, 'an attempt that does not run')
  t.equal(tree.attemptOf(106, PROGRAMS), undefined, 'another person’s')
  t.equal(tree.attemptOf(107, PROGRAMS), undefined, 'a circle, as a look at a changing tree may show')
  t.equal(tree.attemptOf(109, PROGRAMS), undefined, 'none')
  t.equal(tree.attemptOf(101, []), undefined)
  writeTree(folder, { '104/environ': 'HOME=/root\0' })
  t.equal(tree.attemptOf(104, PROGRAMS), 'a-2', 'its environment is read once')
  writeTree(folder, { '104/stat': stat(104, 1, 104, 2) })
  t.equal(tree.attemptOf(104, PROGRAMS), undefined, 'a later process with its pid is another one')
})

t.test('memory: what a program and its group hold', async t => {
  const folder = t.testdir({})
  const { residentBytesOf } = createProcessTree({ folder, platform: 'linux' })
  writeTree(folder, {
    '100/stat': stat(100, 1, 100),
    '100/status': 'Name:\tpython\nVmRSS:\t    2048 kB\nVmSwap: 7 kB',
    '101/stat': stat(101, 100, 100),
    '101/status': 'VmRSS:\t    1024 kB',
    '102/stat': stat(102, 100, 102),
    '102/status': 'VmRSS:\t    512 kB',
    '103/stat': stat(103, 100, 100),
    '103/status': 'State:\tZ (zombie)',
    'self/stat': stat(100, 1, 100)
  })
  t.equal(residentBytesOf(100), 3 * 1024 ** 2)
  t.equal(residentBytesOf(7), undefined)
})

t.test('elsewhere than on Linux: by pid alone', async t => {
  const tree = createProcessTree({ platform: 'win32' })
  t.equal(tree.attemptOf(100, PROGRAMS), 'a-1')
  t.equal(tree.attemptOf(101, PROGRAMS), undefined)
  t.equal(tree.residentBytesOf(100), undefined)
})

/** Starts a worker in the group, one with a group of its own, and a daemon; prints their pids. */
const SCRIPT = `sleep 60 & echo $!
setsid sleep 60 & echo $!
( setsid sleep 60 & echo $! )
wait`

t.test('a program that really starts others', { skip: process.platform !== 'linux' && 'no /proc here' }, async t => {
  const environment = { ...process.env, HYPERSWEEP_ATTEMPT_ID: 'a-1' }
  const child = spawn('sh', ['-c', SCRIPT], { detached: true, env: environment, stdio: ['ignore', 'pipe', 'ignore'] })
  const pids: number[] = []
  t.teardown(() => [-(child.pid ?? 0), ...pids].map(endIfThere))
  for await (const line of createInterface({ input: outputOf(child) })) if (pids.push(Number(line)) === 3) break
  const [worker = 0, leader = 0, daemon = 0] = pids
  // They begin as copies of the shell: both have left its group, and the daemon its parent, a moment later.
  while (factsOf(leader)?.group !== leader || factsOf(daemon)?.group !== daemon) await passed(1)
  const { group: shell } = factsOf(worker) ?? {}
  while (factsOf(factsOf(daemon)?.parent ?? 0)?.group === shell) await passed(1)
  const programs = [{ id: 'a-1', pid: child.pid ?? 0 }]
  const tree = createProcessTree()
  for (const pid of pids) t.equal(tree.attemptOf(pid, programs), 'a-1')
  t.equal(tree.attemptOf(process.pid, programs), undefined, 'this process is not of it')
  t.ok((tree.residentBytesOf(child.pid ?? 0) ?? 0) > 100_000, 'a shell and a worker take some memory')
  endIfThere(-(child.pid ?? 0))
  await once(child, 'exit')
  t.equal(tree.attemptOf(daemon, programs), 'a-1', 'the daemon outlives its program and is still its')
})

function outputOf({ stdout }: ChildProcess) {
  if (stdout === null) throw new Error('the program has no output')
  return stdout
}

function factsOf(pid: number) {
  try {
    return parseStat(readFileSync(join('/proc', String(pid), 'stat'), 'utf8'))
  } catch {
    return undefined
  }
}

function endIfThere(pid: number): void {
  // 0 would be this test's own group.
  if (pid === 0) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
