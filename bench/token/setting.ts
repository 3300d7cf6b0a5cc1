import { createHash } from 'node:crypto'

/** What both servers are set up with: the same clients, resources and user, so that only the servers differ. */
export const setting = {
  client: { id: 'bench-client', secret: 'arctos_cs_made_for_the_bench_and_nothing_else_0123456789' },
  resourceServer: { id: 'bench-api', secret: 'arctos_cs_made_for_the_bench_and_nothing_else_9876543210' },
  jwtResource: 'https://jwt.bench.example',
  opaqueResource: 'https://opaque.bench.example',
  scope: 'read',
  user: 'bench-user',
  redirectUri: 'http://127.0.0.1:8765/callback',
  codeVerifier: 'a-verifier-that-is-long-enough-for-the-bench',
  lifetimeSeconds: 600,
} as const

export const codeChallenge = createHash('sha256').update(setting.codeVerifier).digest('base64url')

/** Where the floor answers, with a constant and with a fresh signature. */
export const floorPaths = { constant: '/constant', signed: '/signed' } as const

/** Where a server under measurement answers. */
export interface Target {
  readonly port: number
  readonly tokenPath: string
  readonly introspectPath: string
  readonly jwksPath: string
}

/** What a server under measurement tells and is asked over its channel. */
export type ServerMessage = { readonly ready: Target } | { readonly codes: readonly string[] }
export interface CodesWanted {
  readonly codes: number
}
