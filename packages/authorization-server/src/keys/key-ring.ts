import { createSecretKey, type KeyObject } from 'node:crypto'
import {
  type Algorithm,
  type JsonObject,
  type ReceiptKey,
  type SharedSecretKey,
  type SigningKey,
  sha256Base64url,
  type VerificationKey,
} from '@arctos/core'
import { maintainEventKeys } from './event-keys.ts'
import { type KeyMaking, maintainKeys, rotateSigningKey } from './key-maintenance.ts'
import { createKeyReader, type OpenedKeys, type RefreshKey, receiptKeySeconds } from './opened-keys.ts'
import type { SigningAlgorithm } from './signing-key.ts'

/** The keys in use, opened, in memory; read again from the store every few seconds. */
export interface KeyRing {
  /** The key that signs access tokens now. */
  readonly signingKey: () => SigningKey
  readonly verificationKey: (kid: string) => VerificationKey | undefined
  /** The secret that signs access tokens for the resource of this key now; `undefined` where this node knows of none (yet). */
  readonly sharedSecretOf: (resourceKey: string) => SharedSecretKey | undefined
  readonly sharedSecret: (kid: string) => SharedSecretKey | undefined
  /** The secret in use that has these bytes, for whoever found them. */
  readonly sharedSecretOfBytes: (bytes: Buffer) => SharedSecretKey | undefined
  /** The published key set and its entity tag. */
  readonly jwks: () => { readonly body: string; readonly etag: string }
  readonly algorithms: () => readonly Algorithm[]
  readonly refreshKey: () => RefreshKey
  readonly refreshKeyById: (kid: Buffer) => RefreshKey | undefined
  readonly receiptKey: () => ReceiptKey
  readonly receiptKeys: () => readonly ReceiptKey[]
  /** Keys for what forms carry: proof that they come from our own page. */
  readonly formKey: () => KeyObject
  /** The key that signs security events now; made when it is first asked for, unless upkeep was faster. */
  readonly eventKey: () => Promise<SigningKey>
  /** The published keys of security events, apart from those of tokens. */
  readonly eventJwks: () => Promise<{ readonly body: string; readonly etag: string }>
  /** Adds an event key that is missing or due; apart from `maintain`, for making one takes long and no start waits for it. */
  readonly maintainEvents: () => Promise<void>
  /** Reads the store again, and adds keys that are missing or due. */
  readonly maintain: () => Promise<void>
  /** Adds a signing key now; it signs after the time that guards need to see it, or at once in an emergency. */
  readonly rotate: (options: { readonly immediately: boolean; readonly actor: string }) => Promise<string>
}

export interface KeyRingOptions extends KeyMaking {
  readonly issuer: string
  readonly signingAlgorithm: SigningAlgorithm
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** Opens all keys with the key-encryption key, making those that a new server lacks. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { store, issuer, kek, signingAlgorithm, now } = options
  const read = createKeyReader(store, issuer, kek)
  const nodeSeconds = (): number => Math.floor(now() / 1000)
  let opened = await read()
  let storeIsAhead = 0

  const load = async (): Promise<void> => {
    opened = await read()
    const [any] = opened.sealed
    if (any !== undefined) storeIsAhead = any.createdAt + any.ageSeconds - nodeSeconds()
  }
  const maintain = async (): Promise<void> => {
    await load()
    if (await maintainKeys(options, signingAlgorithm, opened.sealed)) await load()
  }
  await maintain()

  let makingEvents: Promise<void> | undefined
  const maintainEvents = (): Promise<void> => {
    makingEvents ??= (async () => {
      if (await maintainEventKeys(options, opened.sealed)) await load()
    })().finally(() => {
      makingEvents = undefined
    })
    return makingEvents
  }
  const events = async (): Promise<OpenedKeys['events']> => {
    const published = () => opened.events.filter((key) => key.retiredAt === undefined)
    // Another node may have made one since this node has read the keys.
    if (published().length === 0) await load()
    if (published().length === 0) await maintainEvents()
    return published()
  }

  return {
    ...useKeys(
      signingAlgorithm,
      () => opened,
      () => nodeSeconds() + storeIsAhead,
    ),
    maintain,
    maintainEvents,
    async eventKey() {
      const [keys, at] = [await events(), nodeSeconds() + storeIsAhead]
      const key = keys.findLast(({ activeAt }) => activeAt <= at) ?? keys[0]
      if (key === undefined) throw new Error('there is no event key')
      return key.signing
    },
    async eventJwks() {
      const body = JSON.stringify({ keys: (await events()).map((key): JsonObject => key.publicJwk) })
      return { body, etag: `"${sha256Base64url(body)}"` }
    },
    async rotate({ immediately, actor }) {
      const rotated = await rotateSigningKey(options, { algorithm: signingAlgorithm, immediately, actor })
      if (rotated.outcome !== 'added') throw new Error('a rotation that names its algorithm is not ambiguous')
      await load()
      return rotated.kid
    },
  }
}

/** What reads what this server made, and makes nothing. */
export type ReadingKeys = Pick<KeyRing, 'refreshKeyById' | 'verificationKey' | 'sharedSecret' | 'sharedSecretOfBytes'>

/** The keys as they are now. Reads only: what asks about a server must not change its keys. */
export async function readKeys({
  store,
  issuer,
  kek,
}: Pick<KeyRingOptions, 'store' | 'issuer' | 'kek'>): Promise<ReadingKeys> {
  const opened = await createKeyReader(store, issuer, kek)()
  const [any] = opened.sealed
  const seconds = any === undefined ? 0 : any.createdAt + any.ageSeconds
  return useKeys(
    'ES256',
    () => opened,
    () => seconds,
  )
}

/** @param seconds the store's clock, as far as this node knows it: which key signs is the same on all nodes (PROTOCOL §1) */
function useKeys(
  algorithm: SigningAlgorithm,
  opened: () => OpenedKeys,
  seconds: () => number,
): Omit<KeyRing, 'maintain' | 'rotate' | 'maintainEvents' | 'eventKey' | 'eventJwks'> {
  const published = () => opened().signing.filter((key) => key.retiredAt === undefined)
  const secrets = () => opened().sharedSecrets.filter((key) => key.retiredAt === undefined)
  return {
    signingKey() {
      const at = seconds()
      // Keys come sorted by the time from which they sign. Until one of our algorithm does, that of the former one goes on.
      const active = published().filter((key) => key.activeAt <= at)
      const own = active.findLast((key) => key.signing.algorithm === algorithm)
      const key = own ?? active.at(-1) ?? published()[0]
      if (key === undefined) throw new Error('there is no signing key')
      return key.signing
    },
    verificationKey: (kid) => published().find((key) => key.signing.kid === kid)?.verification,
    sharedSecretOf(resourceKey) {
      const [at, own] = [seconds(), secrets().filter((key) => key.resource === resourceKey)]
      return own.findLast((key) => key.activeAt <= at) ?? own[0]
    },
    sharedSecret: (kid) => secrets().find((key) => key.kid === kid),
    sharedSecretOfBytes(bytes) {
      const asked = createSecretKey(bytes)
      return secrets().find((key) => key.secret.equals(asked))
    },
    jwks() {
      const body = JSON.stringify({ keys: published().map((key): JsonObject => key.publicJwk) })
      return { body, etag: `"${sha256Base64url(body)}"` }
    },
    algorithms: () => [...new Set(published().map((key) => key.signing.algorithm))],
    refreshKey: () => newestOf(opened().refresh, 'refresh'),
    refreshKeyById: (kid) => opened().refresh.find((key) => key.kid.equals(kid)),
    receiptKey: () => newestOf(opened().receipt, 'receipt'),
    receiptKeys: () => opened().receipt.filter((key) => key.createdAt > seconds() - receiptKeySeconds),
    formKey: () => newestOf(opened().form, 'form'),
  }
}

function newestOf<Key>(keys: readonly Key[], purpose: string): Key {
  const newest = keys.at(-1)
  if (newest === undefined) throw new Error(`there is no ${purpose} key`)
  return newest
}
