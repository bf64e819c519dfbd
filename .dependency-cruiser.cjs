/**
 * Layers: who may import whom, as a check. `npm run layers` runs it.
 *
 * Owns the walls between the folders; docs/architecture.md draws them. Each wall says what to do instead.
 * Invariant: what the clean tree passes, a breach of any one wall fails with that wall's name.
 */

const wall = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

/** The agent's core: pure, so that the simulator can run it. */
const CORE =
  '^agent/(agent|announcer|backup|beat|choice|conflict|dropper|early|expirer|local|owner|packing|pauses|pick|plan|ports|progress|reclaim|requirements|result|step)\\.ts$'
/** What every adapter may know besides its port: how this machine is configured, how to log, what time it is. */
const FREE = '^agent/(config|logger|clock)\\.ts$'
/** Where the program is entered: by a person, as the daemon, and as the child that talks to the driver. */
const ENTRIES = '^(cli/main|agent/main|agent/gpu/nvml-child)\\.ts$'
const HOLEPUNCH = '^node_modules/(hyper[a-z-]*|corestore|protomux|blind-[a-z-]*|compact-encoding|autobase|z32)/'

module.exports = {
  forbidden: [
    wall(
      'protocol-is-alone',
      'The protocol runs in Node, a browser and the simulator: hand in what it needs as an argument.',
      { path: '^protocol/' },
      { pathNot: ['^protocol/', '^node_modules/(zod|@noble/hashes|fastest-levenshtein)/'] }
    ),
    wall(
      'protocol-has-one-face',
      'Import `#protocol`; what it lacks belongs into protocol/index.ts.',
      { path: '^(agent|cli)/' },
      { path: '^protocol/', pathNot: '^protocol/index\\.ts$' }
    ),
    wall(
      'agent-core-is-pure',
      'The core decides, adapters act: add what it needs to a port.',
      { path: CORE },
      { pathNot: [CORE, '^protocol/'] }
    ),
    wall('agent-knows-no-cli', 'Answer through protocol/control.ts.', { path: '^agent/' }, { path: '^cli/' }),
    wall('cli-uses-the-socket', 'The store admits one process: ask the agent.', { path: '^cli/' }, { path: '^agent/' }),
    wall(
      'adapters-are-strangers',
      'They meet in agent/session.ts: hand over a function there.',
      { path: '^agent/(store|mesh|gpu|runner|desk)/' },
      { path: '^agent/', pathNot: ['^agent/$1/', '^agent/(ports|local|owner)\\.ts$', FREE] }
    ),
    wall(
      'control-asks-the-core',
      'Hand over a function in agent/main.ts.',
      { path: '^agent/control/' },
      { path: '^agent/', pathNot: ['^agent/control/', CORE, FREE] }
    ),
    wall(
      'adapters-decide-nothing',
      'Of the core an adapter needs types alone: use `import type`.',
      { path: '^agent/(store|mesh|gpu|runner|desk)/' },
      { path: '^agent/(local|owner)\\.ts$', dependencyTypesNot: ['type-only'] }
    ),
    wall(
      'one-door-per-library',
      'A Hypercore is a log to everything outside agent/store, a connection is a beat outside agent/mesh.',
      { path: '^(protocol|agent|cli)/', pathNot: '^agent/(store|mesh)/' },
      { path: HOLEPUNCH }
    ),
    wall(
      'buffers-stay-in-the-agent',
      'Use Uint8Array and TextEncoder.',
      { path: '^(protocol|cli)/' },
      { path: '^node_modules/b4a/' }
    ),
    wall('tests-are-leaves', 'Move it out of test/.', { pathNot: '^test/' }, { path: '^test/' }),
    wall('no-cycles', 'A cycle has no first line to read: move what both need into a third.', {}, { circular: true }),
    wall('resolves', 'Install it, or correct the path.', {}, { couldNotResolve: true }),
    wall(
      'no-orphans',
      'Nothing leads here from an entry: remove it.',
      { path: ENTRIES },
      { path: '^(protocol|agent|cli)/', pathNot: ['\\.d\\.ts$', ENTRIES], reachable: false }
    ),
    {
      name: 'no-orphaned-helpers',
      comment: 'No test uses it: remove it.',
      severity: 'error',
      from: {},
      module: { path: '^test/(helpers|contract)/', numberOfDependentsLessThan: 1 }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Programs of made-up users: they import what their trainer needs.
    exclude: { path: '^test/(fixtures|golden)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['typescript', 'import', 'node', 'default'],
      extensions: ['.ts', '.js']
    }
  }
}
