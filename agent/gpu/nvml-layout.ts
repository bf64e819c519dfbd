/**
 * NVML's binary interface: return codes, sizes and offsets.
 *
 * Owns numbers and nothing else. Source: NVIDIA, nvml.h of API version 13, as published in NVIDIA/go-nvml. The layouts
 * are the same on 64-bit Linux and Windows, since every field is a fixed-width C type.
 * Invariant: offsets and sizes are in bytes; every field is little-endian.
 */

/** `nvmlReturn_t`: the codes that change what we do. */
export const CODE = {
  ok: 0,
  notSupported: 3,
  notFound: 6,
  insufficientSize: 7,
  driverNotLoaded: 9,
  libraryNotFound: 12,
  functionNotFound: 13,
  gpuIsLost: 15,
  resetRequired: 16,
  versionMismatch: 18
} as const

/** `nvmlMemory_t`. Its `free` leaves the driver's reserve out, its `total` does not. */
export const MEMORY = { bytes: 24, total: 0, free: 8 } as const

/** `nvmlMemory_v2_t`, of drivers from R510 on. */
export const MEMORY_V2 = { bytes: 40, version: 0, versionWord: versionWord(40, 2), total: 8, reserved: 16, free: 24 }

/** `nvmlUtilization_t`: percent of the last sample period in which a kernel ran. */
export const UTILISATION = { bytes: 8, gpu: 0 } as const

/** `nvmlTemperature_v1_t`, of recent drivers; sensor 0 is the chip. */
export const TEMPERATURE = { bytes: 12, version: 0, versionWord: versionWord(12, 1), sensor: 4, celsius: 8 }
export const SENSOR_CHIP = 0

/**
 * `nvmlProcessInfo_t` as each generation of calls fills it: 24 bytes since `_v2`. Some 535 drivers give 32 from `_v3`.
 *
 * Source of the exception: nvitop, api/libnvml.py. The first two fields stand where they stood.
 */
export const PROCESS = { bytesV1: 16, bytes: 24, bytesOf535: 32, pid: 0, used: 8 } as const

/** `NVML_VALUE_NOT_AVAILABLE`, in place of a process's memory: on Windows and in WSL nobody tells. */
export const NOT_AVAILABLE = 2n ** 64n - 1n

/** `nvmlProcessUtilizationSample_t`: percent of the chip's time, in the period that ends at `time`, in us. */
export const PROCESS_UTILISATION = { bytes: 32, pid: 0, time: 8, chip: 16 } as const

/** `nvmlEventData_t`, and the one type of event that we wait for: the number of an Xid. */
export const EVENT = { bytes: 32, card: 0, number: 16 } as const
export const EVENT_XID = 8n

/** `NVML_DEVICE_NAME_V2_BUFFER_SIZE` and `NVML_DEVICE_UUID_V2_BUFFER_SIZE`. */
export const NAME_BYTES = 96
export const UUID_BYTES = 96

/** `NVML_DEVICE_MIG_ENABLE`. */
export const MIG_ON = 1

/** `NVML_STRUCT_VERSION`: the size of a struct and its version in one word; the driver refuses any other word. */
function versionWord(bytes: number, version: number): number {
  return bytes + version * 2 ** 24
}
