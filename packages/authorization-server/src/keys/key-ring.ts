import { createSecretKey, type KeyObject } from 'node:crypto'
import {
  type Algorithm,
  deriveKey,
  type JsonObject,
  parseJsonObjectText,
  type ReceiptKey,
  type SigningKey,
  sha256Base64url,
  type VerificationKey,
} from '@arctos/core'
import type { Store } from '../store/store.ts'
import type { KeyPurpose, SealedKey } from '../store/verbs/keys.ts'
import { type KeyEncryptionKey, sealKey, unsealKey } from './key-encryption.ts'
import { generateSigningKey, importSigningKey, type RingKey, type SigningAlgorithm } from './signing-key.ts'

/** The two keys of refresh tokens: one derives successors, one proves that a token is ours (PROTOCOL §2). */
export interface RefreshKey {
  /** 4 bytes, in every token. */
  readonly kid: Buffer
  readonly derive: KeyObject
  readonly tag: KeyObject
}

/** The keys in use, opened, in memory; read again from the store every few seconds. */
export interface KeyRing {
  /** The key that signs access tokens now. */
  readonly signingKey: () => SigningKey
  readonly verificationKey: (kid: string) => VerificationKey | undefined
  /** The published key set and its entity tag. */
  readonly jwks: () => { readonly body: string; readonly etag: string }
  readonly algorithms: () => readonly Algorithm[]
  readonly refreshKey: () => RefreshKey
  readonly refreshKeyById: (kid: Buffer) => RefreshKey | undefined
  readonly receiptKey: () => ReceiptKey
  readonly receiptKeys: () => readonly ReceiptKey[]
  /** Keys for what forms carry: proof that they come from our own page. */
  readonly formKey: () => KeyObject
  /** Reads the store again, and adds keys that are missing or due. */
  readonly maintain: () => Promise<void>
  /** Adds a signing key now; it signs after the time that guards need to see it, or at once in an emergency. */
  readonly rotate: (options: { readonly immediately: boolean; readonly actor: string }) => Promise<string>
}

export interface KeyRingOptions {
  readonly store: Store
  readonly issuer: string
  readonly kek: KeyEncryptionKey
  readonly signingAlgorithm: SigningAlgorithm
  readonly random: (byteLength: number) => Buffer
  /** Epoch milliseconds. */
  readonly now: () => number
}

const day = 86_400
/** How often the signing key changes by itself. */
const rotationSeconds = 30 * day
/** A new key is published this long before it signs: guards hold a key set for 60 s at the most. */
const leadSeconds = 120
/** A replaced key verifies this much longer: the longest life of a token. */
const overlapSeconds = day
const receiptKeySeconds = 8 * day

interface Opened {
  readonly signing: readonly RingKey[]
  readonly refresh: readonly RefreshKey[]
  readonly receipt: readonly (ReceiptKey & { readonly createdAt: number })[]
  readonly form: readonly KeyObject[]
}

/** Opens all keys with the key-encryption key, making those that a new server lacks. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { store, issuer, kek, signingAlgorithm, random, now } = options
  let opened: Opened = { signing: [], refresh: [], receipt: [], form: [] }
  const materials = new Map<string, Buffer>()

  const nowSeconds = (): number => Math.floor(now() / 1000)

  const load = async (): Promise<readonly SealedKey[]> => {
    const keys = await store.listKeys(undefined)
    for (const key of keys) {
      if (!materials.has(key.id)) materials.set(key.id, unsealKey(kek, key.id, key.purpose, key.sealed))
    }
    const materialOf = (key: SealedKey): Buffer => materials.get(key.id) as Buffer
    const of = (purpose: KeyPurpose) => keys.filter((key) => key.purpose === purpose)
    opened = {
      signing: of('signing').map((key) => {
        const known = opened.signing.find((ring) => ring.signing.kid === key.id && ring.retiredAt === key.retiredAt)
        return known ?? importSigningKey(issuer, parseJsonObjectText(key.publicJwk ?? '') ?? {}, materialOf(key), key)
      }),
      refresh: of('refresh').map((key) => openRefreshKey(key.id, materialOf(key))),
      receipt: of('receipt').map((key) => ({
        kid: Buffer.from(key.id, 'hex'),
        key: materialOf(key),
        createdAt: key.createdAt,
      })),
      form: of('form').map((key) => createSecretKey(materialOf(key))),
    }
    return keys
  }

  const addSymmetric = async (
    purpose: KeyPurpose,
    onlyIfNoneSince: number,
    expiresInSeconds?: number,
  ): Promise<void> => {
    const id = random(4).toString('hex')
    const sealed = sealKey(kek, id, purpose, random(32), random(12))
    const key = { id, purpose, algorithm: 'HS256', sealed, activeInSeconds: 0, expiresInSeconds }
    await store.addKey({ key, onlyIfNoneSince, actor: 'server' })
  }

  const addSigning = async (
    onlyIfNoneSince: number | undefined,
    activeInSeconds: number,
    actor: string,
  ): Promise<string> => {
    const { kid, publicJwk, pkcs8 } = generateSigningKey(signingAlgorithm)
    const sealed = sealKey(kek, kid, 'signing', pkcs8, random(12))
    const key = {
      id: kid,
      purpose: 'signing',
      algorithm: signingAlgorithm,
      publicJwk: JSON.stringify(publicJwk),
      sealed,
      activeInSeconds,
    } as const
    await store.addKey({ key, onlyIfNoneSince, actor })
    return kid
  }

  const addMissing = async (keys: readonly SealedKey[]): Promise<boolean> => {
    const newest = (purpose: KeyPurpose): number =>
      Math.max(-1, ...keys.filter((key) => key.purpose === purpose).map((key) => key.createdAt))
    const seconds = nowSeconds()
    if (newest('refresh') < 0) await addSymmetric('refresh', 0)
    if (newest('form') < 0) await addSymmetric('form', 0)
    const receipt = newest('receipt')
    if (receipt < seconds - day) await addSymmetric('receipt', Math.max(0, receipt), receiptKeySeconds)
    await addSigningWhenDue(keys.filter((key) => key.purpose === 'signing'))
    const replaced = keys.filter((key) => isReplaced(key, keys, seconds))
    for (const key of replaced) await store.retireKey({ id: key.id, actor: 'server' })
    return replaced.length > 0 || keys.length !== (await store.listKeys(undefined)).length
  }

  const addSigningWhenDue = async (keys: readonly SealedKey[]): Promise<void> => {
    const own = keys.filter((key) => key.algorithm === signingAlgorithm)
    const isDue = own.every((key) => key.retiredAt !== undefined || key.createdAt < nowSeconds() - rotationSeconds)
    if (!isDue) return
    // The very first key signs at once. Where others sign already, guards have to see the new one before, also when it is the
    // first of another algorithm.
    const isFirst = keys.every((key) => key.retiredAt !== undefined)
    // Retired keys count here: of two nodes that both see the same ones, one adds a key.
    const since = Math.max(0, ...own.map((key) => key.createdAt))
    await addSigning(since, isFirst ? 0 : leadSeconds, 'server')
  }

  const maintain = async (): Promise<void> => {
    if (await addMissing(await load())) await load()
  }
  await maintain()

  const published = () => opened.signing.filter((key) => key.retiredAt === undefined)

  return {
    signingKey() {
      const seconds = nowSeconds()
      // Keys come sorted by the time from which they sign. Until one of our algorithm does, that of the former one goes on.
      const active = published().filter((key) => key.activeAt <= seconds)
      const own = active.findLast((key) => key.signing.algorithm === signingAlgorithm)
      const key = own ?? active.at(-1) ?? published()[0]
      if (key === undefined) throw new Error('there is no signing key')
      return key.signing
    },
    verificationKey: (kid) => published().find((key) => key.signing.kid === kid)?.verification,
    jwks() {
      const body = JSON.stringify({ keys: published().map((key): JsonObject => key.publicJwk) })
      return { body, etag: `"${sha256Base64url(body)}"` }
    },
    algorithms: () => [...new Set(published().map((key) => key.signing.algorithm))],
    refreshKey: () => newestOf(opened.refresh, 'refresh'),
    refreshKeyById: (kid) => opened.refresh.find((key) => key.kid.equals(kid)),
    receiptKey: () => newestOf(opened.receipt, 'receipt'),
    receiptKeys: () => opened.receipt.filter((key) => key.createdAt > nowSeconds() - receiptKeySeconds),
    formKey: () => newestOf(opened.form, 'form'),
    maintain,
    async rotate({ immediately, actor }) {
      const kid = await addSigning(undefined, immediately ? 0 : leadSeconds, actor)
      await load()
      return kid
    },
  }
}

/** A signing key goes once its successor has signed for longer than any token lives. */
function isReplaced(key: SealedKey, keys: readonly SealedKey[], now: number): boolean {
  if (key.purpose !== 'signing' || key.retiredAt !== undefined) return false
  return keys.some(
    (other) => other.purpose === 'signing' && other.activeAt > key.activeAt && other.activeAt + overlapSeconds < now,
  )
}

function openRefreshKey(id: string, material: Buffer): RefreshKey {
  return {
    kid: Buffer.from(id, 'hex'),
    derive: createSecretKey(deriveKey(material, 'arctos refresh derive')),
    tag: createSecretKey(deriveKey(material, 'arctos refresh tag')),
  }
}

function newestOf<Key>(keys: readonly Key[], purpose: string): Key {
  const newest = keys.at(-1)
  if (newest === undefined) throw new Error(`there is no ${purpose} key`)
  return newest
}
