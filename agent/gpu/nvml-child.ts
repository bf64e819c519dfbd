/**
 * The process that loads NVIDIA's library; `nvml-process.ts` starts it and asks it.
 *
 * Owns one NVML and answers one message with one reading. Arguments: the paths to try. Ends with its parent. It imports
 * as little as it can, `#protocol` not at all: it starts again after each fault of a driver.
 * Invariant: each message gets exactly one `NvmlAnswer`, unless the driver ends or hangs this process.
 */
import { type Nvml, openNvml } from './nvml.js'
import { type NvmlAnswer, NvmlFailure } from './nvml-calls.js'

let nvml: Nvml | undefined

// Ctrl-C and a service manager signal every process of a group; this one waits for its parent, which ends it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('message', async () => process.send?.(await answer()))
process.on('disconnect', () => {
  nvml?.close()
  process.exit(0)
})

async function answer(): Promise<NvmlAnswer> {
  try {
    nvml ??= await openNvml(process.argv.slice(2))
    return { state: 'readings', readings: nvml.read() }
  } catch (error) {
    if (error instanceof NvmlFailure) return error.answer
    return { state: 'fault', fault: `The NVIDIA driver cannot be read: ${String(error)}` }
  }
}
