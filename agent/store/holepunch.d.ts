/**
 * Types of the storage packages, which ship none: only what this folder calls.
 */
declare module 'corestore' {
  import type Hypercore from 'hypercore'
  export default class Corestore {
    constructor(path: string, options?: { readOnly?: boolean })
    ready(): Promise<void>
    close(): Promise<void>
    session(): Corestore
    namespace(name: string): Corestore
    get(options: {
      name?: string
      key?: Uint8Array
      discoveryKey?: Uint8Array
      encryption?: { key: Uint8Array } | null
      createIfMissing?: boolean
      allowFork?: boolean
    }): Hypercore
    replicate(connection: unknown): unknown
    /** The discovery keys of all that is stored. */
    list(): AsyncIterable<Uint8Array>
  }
}

declare module 'hypercore' {
  interface Audit {
    readonly corrupt: boolean
    readonly droppedTreeNodes: number
    readonly droppedBlocks: number
    readonly droppedBits: number
  }

  export default class Hypercore {
    readonly key: Uint8Array
    readonly discoveryKey: Uint8Array
    /** What sessions of one log share. */
    readonly core: {
      /** Compares all that is stored with the Merkle tree; `dryRun` repairs nothing. */
      audit(options: { dryRun: boolean }): Promise<Audit | null>
      readonly header: { readonly tree: { readonly signature: Uint8Array | null } }
      readonly state: { createTreeBatch(): unknown }
      readonly verifier: { verify(tree: unknown, signature: Uint8Array): boolean }
    }
    readonly length: number
    readonly byteLength: number
    readonly contiguousLength: number
    /** Blocks that some peer was ever known to have, from the first on without a gap. */
    readonly remoteContiguousLength: number
    readonly fork: number
    readonly writable: boolean
    readonly closed: boolean
    /** Those whom it is exchanged with now, and how many blocks each has from the first on without a gap. */
    readonly peers: readonly { readonly remoteContiguousLength: number }[]
    ready(): Promise<void>
    close(): Promise<void>
    append(blocks: Uint8Array | readonly Uint8Array[]): Promise<{ length: number }>
    get(index: number, options?: { wait?: boolean; timeout?: number }): Promise<Uint8Array | null>
    has(index: number): Promise<boolean>
    clear(index: number): Promise<unknown>
    update(options?: { wait?: boolean }): Promise<boolean>
    download(range: { start: number; end: number }): { done(): Promise<void>; destroy(): void }
    on(
      event: 'append' | 'download' | 'conflict' | 'truncate' | 'close',
      listener: (...details: unknown[]) => void
    ): this
    off(event: 'append' | 'conflict' | 'truncate' | 'close', listener: (...details: unknown[]) => void): this
  }
}

declare module 'hyperdrive' {
  import type Corestore from 'corestore'
  import type Hypercore from 'hypercore'

  interface DriveEntry {
    readonly value: { readonly executable: boolean; readonly blob: { readonly byteLength: number } | null }
  }
  export default class Hyperdrive {
    constructor(store: Corestore, key?: Uint8Array | null, options?: { encryptionKey?: Uint8Array })
    /** The key of the log that holds the contents of a drive's files, as it follows from the drive's own. */
    static getContentKey(core: Hypercore): Uint8Array | null
    readonly key: Uint8Array
    /** The same as the drive itself says; absent until it is known. */
    readonly contentKey: Uint8Array | undefined
    readonly core: Hypercore
    ready(): Promise<void>
    close(): Promise<void>
    /** The log that holds the contents; absent before the first of them. */
    getBlobs(): Promise<{ readonly core: Hypercore } | null>
    /** Gives up the contents of all files, and keeps their names. */
    clearAll(): Promise<unknown>
    put(path: string, content: Uint8Array): Promise<void>
    get(path: string, options?: { timeout?: number }): Promise<Uint8Array | null>
    entry(path: string, options?: { timeout?: number }): Promise<DriveEntry | null>
  }
}

declare module 'hypercore-crypto' {
  interface KeyPair {
    readonly publicKey: Uint8Array
    readonly secretKey: Uint8Array
  }
  const crypto: {
    keyPair(seed?: Uint8Array): KeyPair
    sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array
    verify(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean
    randomBytes(count: number): Uint8Array
    discoveryKey(publicKey: Uint8Array): Uint8Array
    hash(parts: Uint8Array | readonly Uint8Array[]): Uint8Array
  }
  export default crypto
}
