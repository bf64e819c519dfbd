/**
 * Exit: what was changed on this machine is undone, however the run ends.
 *
 * Owns mounts, network namespaces and processes that would outlive a run. Invariant: each is undone once.
 */

const undos = new Set<() => void>()
let isListening = false

/** Remembers how something is undone. Returns what does it now; a run that is interrupted does the rest. */
export function atExit(undo: () => void): () => void {
  const once = () => {
    if (undos.delete(once)) undo()
  }
  undos.add(once)
  if (!isListening) listen()
  return once
}

function listen(): void {
  isListening = true
  process.once('exit', undoAll)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
}

/** The last thing done is undone first; one that fails does not keep the others. */
function undoAll(): void {
  for (const undo of [...undos].reverse()) {
    try {
      undo()
    } catch (error) {
      process.stderr.write(`could not be undone: ${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
}
