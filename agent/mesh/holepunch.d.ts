/**
 * Types of the network packages, which ship none: only what this folder calls.
 */
declare module 'hyperdht' {
  export default class HyperDHT {
    constructor(options: {
      bootstrap?: readonly string[]
      port?: number
      host?: string
      ephemeral?: boolean
      firewalled?: boolean
      anyPort?: boolean
      keyPair?: unknown
    })
    static bootstrapper(port: number, host: string, options?: { bootstrap?: readonly string[] }): HyperDHT
    readonly bootstrapped: boolean
    readonly online: boolean
    fullyBootstrapped(): Promise<void>
    address(): { readonly host: string; readonly port: number }
    destroy(options?: { force?: boolean }): Promise<void>
    toArray(): readonly { readonly host: string; readonly port: number }[]
  }
}

declare module 'hyperswarm' {
  import type { Duplex } from 'node:stream'
  import type HyperDHT from 'hyperdht'

  interface Connection extends Duplex {
    readonly remotePublicKey: Uint8Array
    readonly rawStream: { readonly rtt: number }
    setKeepAlive(ms: number): void
  }
  interface PeerInfo {
    ban(value: boolean): void
  }
  interface Discovery {
    flushed(): Promise<void>
    refresh(): Promise<void>
    destroy(): Promise<void>
  }
  export default class Hyperswarm {
    constructor(options: {
      keyPair?: { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }
      dht?: HyperDHT
      maxPeers?: number
      maxServerConnections?: number
      maxClientConnections?: number
      firewall?: (remotePublicKey: Uint8Array) => boolean
    })
    readonly dht: HyperDHT
    readonly peers: Map<string, PeerInfo>
    readonly connections: Set<Connection>
    join(topic: Uint8Array, options: { server: boolean; client: boolean }): Discovery
    joinPeer(publicKey: Uint8Array): void
    on(event: 'connection', listener: (connection: Connection) => void): this
    destroy(): Promise<void>
  }
}

declare module 'protomux' {
  interface Message {
    send(bytes: Uint8Array): boolean
  }
  interface Channel {
    open(): void
    close(): void
    addMessage(options: { encoding: unknown; onmessage: (bytes: Uint8Array) => void }): Message
  }
  export default class Protomux {
    static from(stream: unknown): Protomux
    createChannel(options: {
      protocol: string
      id?: Uint8Array
      onopen?: () => void
      onclose?: () => void
    }): Channel | null
  }
}

declare module 'blind-pairing' {
  import type Hyperswarm from 'hyperswarm'

  interface Request {
    readonly inviteId: Uint8Array
    readonly userData: Uint8Array
    open(publicKey: Uint8Array): void
    confirm(answer: {
      key: Uint8Array
      encryptionKey: Uint8Array
      additional: { data: Uint8Array; signature: Uint8Array }
    }): void
    deny(reason: { status: number }): void
  }
  interface Answer {
    readonly key: Uint8Array
    readonly encryptionKey: Uint8Array
    readonly data: Uint8Array | null
  }
  interface Invite {
    readonly id: Uint8Array
    readonly invite: Uint8Array
    readonly publicKey: Uint8Array
    readonly expires: number
    /** The data that goes with a confirmation, signed by the invite's key. */
    readonly additional: { readonly data: Uint8Array; readonly signature: Uint8Array } | null
  }
  interface CandidateRequest {
    on(event: 'rejected', listener: (error: Error & { code?: string }) => void): this
  }
  export default class BlindPairing {
    constructor(swarm: Hyperswarm, options: { poll: number })
    static createInvite(key: Uint8Array, options: { seed?: Uint8Array; expires?: number; data?: Uint8Array }): Invite
    static decodeInvite(invite: Uint8Array): {
      readonly id: Uint8Array
      readonly seed: Uint8Array
      readonly discoveryKey: Uint8Array
      readonly expires: number
      readonly additionalNodes?: readonly { host: string; port: number }[]
    }
    addMember(options: { discoveryKey: Uint8Array; onadd: (request: Request) => Promise<void> }): {
      flushed(): Promise<void>
      close(): Promise<void>
    }
    addCandidate(options: { invite: Uint8Array; userData: Uint8Array; onadd: (answer: Answer) => void }): {
      readonly request: CandidateRequest
    }
    close(): Promise<void>
  }
}

declare module 'z32' {
  const z32: { encode(bytes: Uint8Array): string; decode(text: string): Uint8Array }
  export default z32
}
