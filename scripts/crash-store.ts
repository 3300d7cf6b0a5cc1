// What the crash run does to the database while no server runs: registration, codes, and reading the audit log.
import { randomBytes } from 'node:crypto'
import { type AuditRecord, findBreak, openStore, type Store } from '@arctos/authorization-server'
import { codeChallengeOf, encodeBase64url, formatOpaqueToken, sha256Base64url } from '@arctos/core'
import type { CrashClient } from './crash-wire.ts'

export const confidential: CrashClient = { id: 'crash-service', secret: 'arctos_cs_crash-service' }
export const publicClient: CrashClient = { id: 'crash-app' }
/** The servers of both resources, who introspect. */
export const resourceServers = {
  jwt: { id: 'crash-notes-api', secret: 'arctos_cs_crash-notes-api' },
  opaque: { id: 'crash-archive-api', secret: 'arctos_cs_crash-archive-api' },
} as const

export type Format = keyof typeof resourceServers

const resources = { jwt: 'https://notes.example', opaque: 'https://archive.example' } as const
const actor = 'crash run'

/** Runs something on the store of a server that is down. */
export async function withStore<Result>(database: string, run: (store: Store) => Promise<Result>): Promise<Result> {
  const store = await openStore({ database })
  try {
    await store.migrate()
    return await run(store)
  } finally {
    await store.close()
  }
}

/** Registers resources, clients and a user; returns the user's id. */
export async function register(store: Store): Promise<string> {
  for (const format of ['jwt', 'opaque'] as const) {
    const settings = {
      identifier: resources[format],
      scopes: { read: 'Read' },
      tokenFormat: format,
      tokenType: 'at+jwt',
      accessTokenLifetimeSeconds: 3_600,
    } as const
    await store.createResource({ settings, actor })
    await registerClient(store, resourceServers[format], { resourceServerOf: resources[format] })
  }
  for (const client of [confidential, publicClient]) await registerClient(store, client, {})
  const user = await store.createUser({ username: 'crash-user', passwordHash: 'none fits', actor })
  if (user.outcome !== 'created') throw new Error('the user was not created')
  return user.id
}

async function registerClient(
  store: Store,
  { id, secret }: CrashClient,
  more: { readonly resourceServerOf?: string },
): Promise<void> {
  const settings = {
    name: id,
    authenticationMethods: secret === undefined ? ['none' as const] : ['client_secret_basic' as const],
    grantTypes: more.resourceServerOf === undefined ? ['authorization_code'] : [],
    redirectUris: ['https://app.example/callback'],
    ...more,
  }
  await store.createClient({ id, settings, secretHash: secret && sha256Base64url(secret), actor })
}

/** A code that waits to be redeemed. */
export interface MintedCode {
  readonly client: CrashClient
  readonly format: Format
  readonly form: Readonly<Record<string, string>>
}

/** Has the store give codes, as the consent page does, for both kinds of client and token in turn. */
export async function mintCodes(store: Store, userId: string, count: number): Promise<readonly MintedCode[]> {
  const authenticatedAt = Math.floor(Date.now() / 1_000)
  return await Promise.all(
    Array.from({ length: count }, async (_, at): Promise<MintedCode> => {
      const client = at % 2 === 0 ? confidential : publicClient
      const format = at % 4 < 2 ? 'jwt' : 'opaque'
      const code = formatOpaqueToken('authorizationCode', randomBytes(32)).reveal()
      const verifier = encodeBase64url(randomBytes(32))
      const { outcome } = await store.issueCode({
        codeHash: sha256Base64url(code),
        form: undefined,
        clientId: client.id,
        userId,
        authenticatedAt,
        scopes: ['read', 'offline_access'],
        resourceKeys: [resources[format]],
        redirectUri: 'https://app.example/callback',
        redirectUriSent: false,
        codeChallenge: codeChallengeOf(verifier),
        remember: false,
      })
      if (outcome !== 'issued') throw new Error(`a code was not given: ${outcome}`)
      return { client, format, form: { grant_type: 'authorization_code', code, code_verifier: verifier } }
    }),
  )
}

/** How far the audit log was read and found whole. */
export interface AuditHead {
  readonly seq: number
  readonly hash: string
}

export const emptyAudit: AuditHead = { seq: 0, hash: '' }

/** Numbers what is unnumbered and reads on from the head. What was read before can't have changed, or the chain breaks here. */
export async function readAudit(
  store: Store,
  from: AuditHead,
): Promise<{
  readonly head: AuditHead
  readonly records: readonly AuditRecord[]
  readonly broken: AuditRecord | undefined
}> {
  const page = 1_000
  while ((await store.numberAudit(page)).numbered === page);
  const records: AuditRecord[] = []
  let head = from
  for (;;) {
    const read = await store.readAudit({ after: head.seq, limit: page })
    const broken = findBreak(read, head)
    records.push(...read)
    const last = read.at(-1)
    if (broken !== undefined || last === undefined) return { head, records, broken }
    head = last
  }
}
