/**
 * Causes: what the last words of a failed program say about why it failed.
 *
 * Owns the texts by which memory and environment failures are known, each as some framework prints it, and where in
 * the output a crash begins. Pure; asked only about programs that failed, since frameworks catch and retry.
 */
import type { FailureClass } from '#protocol'

/** Why a program failed, and the line that says so. */
export interface Cause {
  readonly class: Extract<FailureClass, 'oom' | 'environment'>
  readonly line: string
  /** True when the machine's own memory ran out, not the device's. */
  readonly isHost: boolean
}

/** Texts of a device that is out of memory. Sources: the frameworks' code and their users' reports. */
const DEVICE_MEMORY = [
  // PyTorch, all versions, on CUDA, ROCm and Intel; the driver's own words.
  /(?:CUDA|HIP|XPU) out of memory/,
  /CUDA error: out of memory|HIP error: out of memory/,
  /cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory/,
  /MPS backend out of memory/,
  /CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED/,
  /unhandled cuda error.*out of memory/,
  // Hugging Face accelerate, when even a batch of one did not fit.
  /No executable batch size found/,
  // JAX and TensorFlow.
  /RESOURCE_EXHAUSTED: (?:Out of memory|Failed to allocate)/,
  /Failed to allocate request for .* on device ordinal/,
  /ResourceExhaustedError|OOM when allocating tensor/,
  // ggml and llama.cpp, on CUDA, Metal and Vulkan.
  /cudaMalloc failed: out of memory/,
  /failed to allocate \S+ buffer of size/,
  /ErrorOutOfDeviceMemory|Requested buffer size exceeds device memory/,
  // MLX and Metal.
  /kIOGPUCommandBufferCallbackErrorOutOfMemory|Command buffer execution failed: Insufficient Memory/,
  /\[malloc_or_wait\] Unable to allocate/,
  /\[metal::malloc\] Attempting to allocate/,
  // bitsandbytes, which ends with exit code 1 and no exception.
  /Error out of memory at line \d+/,
  /PT_DEVMEM Allocation failed/
]

/** Texts of a machine that is out of memory. */
const HOST_MEMORY = [
  /DefaultCPUAllocator: (?:can't allocate memory|not enough memory)/,
  /std::bad_alloc/,
  /^(?:\S+\.)?MemoryError\b/,
  /Cannot allocate memory/,
  /ggml_aligned_malloc: insufficient memory/,
  /paging file is too small/,
  /insufficient shared memory \(shm\)/
]

/** Texts of a machine that cannot run this program, whatever the parameters. */
const ENVIRONMENT = [
  /\b(?:ModuleNotFoundError|ImportError)\b/,
  /^(?:\/usr\/bin\/)?env: .*No such file or directory/,
  /No space left on device|\[Errno 28\]/,
  /Driver\/library version mismatch|couldn't communicate with the NVIDIA driver/i,
  /Found no NVIDIA driver|CUDA driver version is insufficient|The NVIDIA driver on your system is too old/,
  /No CUDA GPUs are available|no CUDA-capable device is detected|Torch not compiled with CUDA enabled/,
  /no kernel image is available for execution on the device/,
  /unspecified launch failure|GPU has fallen off the bus|CUDA-capable device\(s\) is\/are busy or unavailable/,
  /error while loading shared libraries|cannot open shared object file/,
  // Hugging Face models and data sets that this machine does not have.
  /is not a local folder and is not a valid model identifier|401 Client Error|OfflineModeIsEnabled/,
  /LocalEntryNotFoundError/
]

const RULES: readonly { class: Cause['class']; isHost: boolean; patterns: readonly RegExp[] }[] = [
  { class: 'oom', isHost: false, patterns: DEVICE_MEMORY },
  { class: 'oom', isHost: true, patterns: HOST_MEMORY },
  { class: 'environment', isHost: false, patterns: ENVIRONMENT }
]

/**
 * Returns the cause that the end of a program's output names, or undefined.
 *
 * @param output  The last lines of a program that failed. The last line that matches decides, within its last crash.
 */
export function causeOf(output: string): Cause | undefined {
  const lines = crashOf(output)
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = lines[i] ?? ''
    const rule = RULES.find(({ patterns }) => patterns.some(pattern => pattern.test(line)))
    if (rule !== undefined) return { class: rule.class, isHost: rule.isHost, line: line.trim() }
  }
  return undefined
}

const NOISE = /^Node\.js v\d|^\s*$|^\s*\^+\s*$|^-+$|^=+$|^\s*warn/i
const ALARM = /error|exception|fatal|panic|abort|fail|refused|denied|not found/i

/** Returns the line of a failed program's output that best says what went wrong; undefined when it said nothing. */
export function lastWordsOf(output: string): string | undefined {
  const lines = crashOf(output)
  const start = lines.findLastIndex(isTraceback)
  // A traceback's frames are indented; its first line that is not says what was raised.
  const raised = start < 0 ? undefined : lines.slice(start + 1).find(line => /^\S/.test(line))
  if (raised !== undefined) return raised.trim()
  const spoken = lines.filter(line => !NOISE.test(line))
  return (spoken.findLast(line => /^\S/.test(line) && ALARM.test(line)) ?? spoken.at(-1))?.trim()
}

const CHAIN = /^(?:During handling of the above exception|The above exception was the direct cause)/
/** What launchers raise when a program that they launched has failed: its own crash stands before. */
const LAUNCHER = /ChildFailedError|CalledProcessError|ProcessRaisedException/
/** What launchers put before each line of a process. */
const PREFIX = /^(?:\[(?:rank|default)\d+\]: ?|\([A-Za-z]+ pid=\d+[^)]*\) ?)/

/**
 * Returns the lines from where the last crash begins; all lines when there is no traceback.
 *
 * An error that was caught and survived stands before an older traceback or none, and must not decide.
 */
function crashOf(output: string): string[] {
  const lines = output.split('\n').map(line => line.replace(PREFIX, ''))
  let end = lines.length
  let start = lines.findLastIndex(isTraceback)
  while (start > 0) {
    const isChained = lines.slice(Math.max(0, start - 3), start).some(line => CHAIN.test(line))
    const isLauncher = lines.slice(start, end).some(line => LAUNCHER.test(line))
    const earlier = lines.slice(0, start).findLastIndex(isTraceback)
    if (!isChained && !isLauncher) break
    // A launcher without a child's traceback: a child that was killed, or no Python; every line counts.
    if (earlier < 0) return isLauncher ? lines.slice(0, start) : lines
    if (isLauncher) lines.length = start
    end = start
    start = earlier
  }
  return lines.slice(Math.max(start, 0))
}

function isTraceback(line: string): boolean {
  return line.startsWith('Traceback (most recent call last)')
}
