import { formatOpaqueToken } from '@arctos/core'

export interface Client {
  readonly id: string
  readonly secret: string
}

/** Who takes part: a client whose tokens are taken back, one whose secret leaks, one API with three guards. */
export const setting = {
  client: { id: 'bench-client', secret: 'arctos_cs_made_for_the_bench_and_nothing_else_0123456789' },
  leaky: { id: 'bench-leaky', secret: formatOpaqueToken('clientSecret', Buffer.alloc(32, 'leaky'), 'live').reveal() },
  operator: { id: 'bench-api', secret: 'arctos_cs_made_for_the_bench_and_nothing_else_9876543210' },
  resource: 'https://api.bench.example',
  scope: 'read',
  lifetimeSeconds: 600,
  user: 'bench-user',
  redirectUri: 'http://127.0.0.1:8765/callback',
  codeVerifier: 'a-verifier-that-is-long-enough-for-the-bench',
} as const

/** How an issuer process is started. */
export interface IssuerOrder {
  /** By default the address at which it listens. */
  readonly issuer?: string
  readonly database: string
  /** Base64url, shared by the nodes of one database. */
  readonly kek: string
  /** Where guards take pushed events. */
  readonly pushEndpoints: readonly string[]
  /** The `ttl` of status lists; absent: there are none. */
  readonly statusListSeconds: number | undefined
  /** Where the keys of the reporter of leaks are. */
  readonly reporterKeys: string | undefined
}

/** How a guard process is started. */
export interface GuardOrder {
  readonly issuer: string
  /** The port of the node that this guard's questions go to. */
  readonly nodePort: number
  readonly port: number
  readonly knows: 'feed by poll' | 'feed by push' | 'status list'
  readonly staleAfterSeconds?: number
  readonly unavailableAfterSeconds?: number
}

export interface Ready {
  readonly port: number
}

/** What an issuer process tells and is asked over its channel. */
export type IssuerSays = Ready | { readonly codes: readonly string[] }
export interface CodesWanted {
  readonly codes: number
}
