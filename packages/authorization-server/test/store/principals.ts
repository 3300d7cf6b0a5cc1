import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { codeChallengeOf, sha256Base64url } from '@arctos/core'
import type { ClientSettings } from '../../src/store/registered-client.ts'
import type { IssuedAccess } from '../../src/store/verbs/access.ts'
import type { Approval } from '../../src/store/verbs/approval.ts'
import type { CodeExchange, CodeRedeemed } from '../../src/store/verbs/codes.ts'
import type { Presented, Rotated, RotateRefreshOutcome, Rotation } from '../../src/store/verbs/refresh.ts'
import type { TestRow, TestStore } from './open-test-store.ts'

export const idleSeconds = 3_600
export const absoluteSeconds = 86_400

/** A client, a user and two resources, registered for one test. */
export interface Principals {
  readonly clientId: string
  readonly userId: string
  readonly username: string
  /** The first issues opaque tokens, the second JWTs. */
  readonly opaqueKey: string
  readonly jwtKey: string
}

export const clientSettings: ClientSettings = {
  name: 'Test client',
  authenticationMethods: ['client_secret_basic'],
  grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
  redirectUris: ['https://client.example/callback'],
}

export async function register({ store }: TestStore): Promise<Principals> {
  const name = randomUUID()
  const actor = 'test'
  const client = await store.createClient({ settings: clientSettings, secretHash: sha256Base64url(name), actor })
  const user = await store.createUser({ username: name, passwordHash: 'hash', actor })
  if (client.outcome !== 'created' || user.outcome !== 'created') throw new Error('a random name was taken')
  const keys = await Promise.all(
    (['opaque', 'jwt'] as const).map(async (tokenFormat) => {
      const identifier = `https://${tokenFormat}.${name}.example`
      const settings = {
        identifier,
        scopes: { read: 'Read', write: 'Write' },
        tokenFormat,
        tokenType: 'at+jwt' as const,
        accessTokenLifetimeSeconds: 600,
      }
      await store.createResource({ settings, actor })
      return identifier
    }),
  )
  const [opaqueKey = '', jwtKey = ''] = keys
  return { clientId: client.id, userId: user.id, username: name, opaqueKey, jwtKey }
}

const verifier = 'verifier-verifier-verifier-verifier-verifier'

/** Has a code issued; returns what redeems it. */
export async function issueCode(
  { store, clock }: TestStore,
  { clientId, userId, jwtKey }: Principals,
  approval: Partial<Approval> = {},
): Promise<CodeExchange> {
  const codeHash = sha256Base64url(randomBytes(32))
  const { outcome } = await store.issueCode({
    codeHash,
    form: undefined,
    clientId,
    userId,
    // After every cut-off that a test has made, as a new sign-in would be.
    authenticatedAt: Math.floor(clock.now() / 1_000) + 60,
    scopes: ['read', 'write', 'offline_access'],
    resourceKeys: [jwtKey],
    redirectUri: 'https://client.example/callback',
    redirectUriSent: true,
    codeChallenge: codeChallengeOf(verifier),
    remember: false,
    ...approval,
  })
  if (outcome !== 'issued') throw new Error(`no code: ${outcome}`)
  return {
    codeHash: approval.codeHash ?? codeHash,
    clientId,
    redirectUri: 'https://client.example/callback',
    codeChallenge: codeChallengeOf(verifier),
    resourceKeys: [],
    assertion: undefined,
    idleSeconds,
    absoluteSeconds,
  }
}

/** A grant that has just been made, with its first refresh token. */
export interface Family extends Principals {
  readonly grantId: string
  readonly access: CodeRedeemed['access']
  readonly presented: Presented
}

export async function startFamily(
  test: TestStore,
  principals: Principals,
  approval: Partial<Approval> = {},
): Promise<Family> {
  const redeemed = await test.store.redeemCode(await issueCode(test, principals, approval))
  if (redeemed.outcome !== 'redeemed' || redeemed.family === undefined) throw new Error(`no grant: ${redeemed.outcome}`)
  const { grantId, access, family } = redeemed
  return { ...principals, grantId, access, presented: { grantId, ...family } }
}

/** The row of a grant as it is committed. */
export async function grantRow({ query }: TestStore, grantId: string): Promise<TestRow> {
  const [row] = await query('SELECT * FROM grants WHERE id = $1', grantId)
  if (row === undefined) throw new Error('the grant has no row')
  return row
}

/** What the audit log has about a grant, as `kind reason`, oldest first. */
export async function auditOf({ query }: TestStore, grantId: string): Promise<readonly string[]> {
  const rows = await query('SELECT kind, facts FROM audit ORDER BY at_ms')
  return rows
    .map(({ kind, facts }) => ({ kind, facts: JSON.parse(String(facts)) as { grant?: string; reason?: string } }))
    .filter(({ facts }) => facts.grant === grantId)
    .map(({ kind, facts }) => [kind, facts.reason].join(' ').trim())
}

const derivationKey = randomBytes(32)

/** The derivation of PROTOCOL §2, with a key of this process. */
export function derive(presented: Presented, salt: Buffer): Buffer {
  return createHmac('sha256', derivationKey)
    .update(`rt ${presented.grantId} ${presented.generation + 1} `)
    .update(presented.secret)
    .update(salt)
    .digest()
}

/** A request to rotate this token of the family, by its own client. */
export function rotationOf(family: Family, presented: Presented, changes: Partial<Rotation> = {}): Rotation {
  return {
    presented,
    clientId: family.clientId,
    retryWindowMs: 30_000,
    resourceKeys: [],
    scopes: undefined,
    assertion: undefined,
    idleSeconds,
    derive,
    ...changes,
  }
}

/** The outcome as a success, which it has to be. */
export function successOf(outcome: RotateRefreshOutcome): Rotated {
  if (!('successor' in outcome)) throw new Error(`not rotated: ${outcome.outcome}`)
  return outcome
}

/** Rotates and returns the successor. */
export async function rotate(
  { store }: TestStore,
  family: Family,
  presented: Presented,
  changes: Partial<Rotation> = {},
): Promise<Presented> {
  return successOf(await store.rotateRefresh(rotationOf(family, presented, changes))).successor
}

/** Asks for a rotation, and says what the answer was and what the row was before and after. */
export async function ask(test: TestStore, rotation: Rotation) {
  const before = await grantRow(test, rotation.presented.grantId)
  const answer = await test.store.rotateRefresh(rotation)
  return { answer, before, after: await grantRow(test, rotation.presented.grantId) }
}

/** A token that a client has for itself. */
export async function ownToken({ store }: TestStore, { clientId, jwtKey }: Principals): Promise<IssuedAccess> {
  const issued = await store.issueForClient({
    clientId,
    scopes: ['read'],
    resourceKeys: [jwtKey],
    assertion: undefined,
  })
  if (issued.outcome !== 'issued') throw new Error(issued.outcome)
  return issued.access
}

/** One user at one client, and the client itself. */
export interface SmallWorld {
  readonly one: Principals
  readonly oneOne: Family
  readonly own: IssuedAccess
}

/** Begins behind every cut-off that was made before, with a new second. */
export async function startSmall(test: TestStore, format: 'jwt' | 'opaque' = 'jwt'): Promise<SmallWorld> {
  test.clock.advance(10_000)
  test.clock.alignToSecond()
  const one = await register(test)
  const begin = startFamily(test, one, { resourceKeys: [one[`${format}Key`]] })
  const [oneOne, own] = await Promise.all([begin, ownToken(test, one)])
  return { one, oneOne, own }
}
