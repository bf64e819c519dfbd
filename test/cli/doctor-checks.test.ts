/**
 * What is known of a machine without an agent.
 */
import { appendFileSync, chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ownAddress } from '../../cli/commands/bootstrap.js'
import { checkHome, checkLibrary, checkNode } from '../../cli/doctor-checks.js'
import { addressOf, homeOf } from '../../cli/home.js'
import { followLog } from '../../cli/log-follower.js'

t.test('checkNode: the version that package.json asks for is enough, one before is not', async t => {
  t.same(
    ['20.19.9', '20.20.0', '22.0.0', '18.20.4'].map(version => checkNode(version).verdict),
    ['problem', 'ok', 'ok', 'problem']
  )
})

t.test('checkLibrary: a Linux without glibc cannot load the store', async t => {
  t.match(checkLibrary('linux', {}), { verdict: 'problem', hint: /glibc/ })
  t.match(checkLibrary('linux', { glibcVersionRuntime: '2.36' }), { verdict: 'ok', detail: /glibc 2\.36/ })
  t.match(checkLibrary('darwin', {}), { verdict: 'ok' })
})

t.test('checkHome: absent is fine, a file is not, and keys are nobody else’s', async t => {
  const folder = t.testdir({ file: '', home: {} })
  const home = join(folder, 'home')
  chmodSync(home, 0o700)
  t.match(await checkHome(home), { verdict: 'ok' })
  t.match(await checkHome(join(folder, 'new', 'deeper')), { verdict: 'ok', detail: /made when it is needed/ })
  t.match(await checkHome(join(folder, 'file')), { verdict: 'problem' })
  chmodSync(home, 0o755)
  t.match(
    await checkHome(home),
    { verdict: 'warning', hint: `chmod 700 ${home}` },
    { skip: process.platform === 'win32' }
  )
})

t.test('homeOf: the flag, then the environment, then the system, always absolute', async t => {
  t.equal(homeOf({ home: '/a' }, { HYPERSWEEP_HOME: '/b' }), '/a')
  t.equal(homeOf({}, { HYPERSWEEP_HOME: '/b' }), '/b')
  t.match(homeOf({}, {}), /hypersweep/)
  t.equal(homeOf({ home: 'x' }, {}), join(process.cwd(), 'x'))
  t.not(addressOf('/a'), addressOf('/b'))
})

t.test('ownAddress: the first IPv4 address that others could reach', async t => {
  const of = (address: string, internal = false, family: 'IPv4' | 'IPv6' = 'IPv4') =>
    ({ address, internal, family, netmask: '', mac: '', cidr: null, scopeid: 0 }) as never
  t.equal(
    ownAddress({ lo: [of('127.0.0.1', true)], eth0: [of('fe80::1', false, 'IPv6'), of('192.168.1.5')] }),
    '192.168.1.5'
  )
  t.equal(ownAddress({ lo: [of('127.0.0.1', true)], eth0: [of('169.254.7.7')] }), '127.0.0.1')
})

t.test('followLog: each new line once, whole, also when the file is set aside for a new one', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'agent.log')
  writeFileSync(path, 'long before\n')
  const lines: string[] = []
  const log = followLog(path, line => lines.push(line))
  appendFileSync(path, 'one\ntw')
  log.read()
  t.same(lines, ['one'])
  appendFileSync(path, 'o\n')
  log.read()
  log.read()
  t.same(lines, ['one', 'two'])
  writeFileSync(path, 'anew\n')
  log.close()
  t.same(lines, ['one', 'two', 'anew'])
  mkdirSync(join(folder, 'x'))
  followLog(join(folder, 'x', 'none.log'), () => t.fail('there is no such file')).close()
})
