import { createSecretKey, type KeyObject } from 'node:crypto'
import { deriveKey, parseJsonObjectText, type ReceiptKey } from '@arctos/core'
import type { Store } from '../store/store.ts'
import type { KeyPurpose, SealedKey } from '../store/verbs/keys.ts'
import { type KeyEncryptionKey, unsealKey } from './key-encryption.ts'
import { openSharedSecret, type RingSecret, sealPurpose } from './shared-secret.ts'
import { importSigningKey, type RingKey } from './signing-key.ts'

/** The two keys of refresh tokens: one derives successors, one proves that a token is ours (PROTOCOL §2). */
export interface RefreshKey {
  /** 4 bytes, in every token. */
  readonly kid: Buffer
  readonly derive: KeyObject
  readonly tag: KeyObject
}

/** What the database has, opened; each list in the order of the time from which its keys are used. */
export interface OpenedKeys {
  readonly sealed: readonly SealedKey[]
  readonly signing: readonly RingKey[]
  readonly refresh: readonly RefreshKey[]
  readonly receipt: readonly (ReceiptKey & { readonly createdAt: number })[]
  readonly form: readonly KeyObject[]
  readonly sharedSecrets: readonly RingSecret[]
  /** Keys that sign security events. */
  readonly events: readonly RingKey[]
}

export const receiptKeySeconds = 8 * 86_400

/**
 * Reads and opens all keys; what an earlier reading opened is not opened again. Rejects with `WrongKeyEncryptionKey` when the
 * key-encryption key does not open one of them.
 */
export function createKeyReader(store: Store, issuer: string, kek: KeyEncryptionKey): () => Promise<OpenedKeys> {
  const materials = new Map<string, Buffer>()
  let known: readonly RingKey[] = []
  let knownEvents: readonly RingKey[] = []

  const open = (key: SealedKey): Buffer => {
    const material = materials.get(key.id) ?? unsealKey(kek, key.id, sealPurpose(key), key.sealed)
    materials.set(key.id, material)
    return material
  }
  const openPair = (known: readonly RingKey[], key: SealedKey): RingKey =>
    known.find((ring) => ring.signing.kid === key.id && ring.retiredAt === key.retiredAt) ??
    importSigningKey(issuer, parseJsonObjectText(key.publicJwk ?? '') ?? {}, open(key), key)

  return async () => {
    const sealed = await store.listKeys(undefined)
    const of = (purpose: KeyPurpose) => sealed.filter((key) => key.purpose === purpose)
    known = of('signing').map((key) => openPair(known, key))
    knownEvents = of('events').map((key) => openPair(knownEvents, key))
    return {
      sealed,
      signing: known,
      events: knownEvents,
      refresh: of('refresh').map((key) => openRefreshKey(key.id, open(key))),
      receipt: of('receipt').map((key) => openReceiptKey(key, open(key))),
      form: of('form').map((key) => createSecretKey(open(key))),
      sharedSecrets: of('shared_secret').map((key) => openSharedSecret(issuer, key, open(key))),
    }
  }
}

/** The keys that open receipts. Reads only: what asks about a server must not change its keys. */
export async function readReceiptKeys(store: Store, kek: KeyEncryptionKey): Promise<readonly ReceiptKey[]> {
  const keys = await store.listKeys(undefined)
  return keys
    .filter((key) => key.purpose === 'receipt' && key.ageSeconds < receiptKeySeconds)
    .map((key) => openReceiptKey(key, unsealKey(kek, key.id, key.purpose, key.sealed)))
}

function openReceiptKey({ id, createdAt }: SealedKey, key: Buffer): OpenedKeys['receipt'][number] {
  return { kid: Buffer.from(id, 'hex'), key, createdAt }
}

function openRefreshKey(id: string, material: Buffer): RefreshKey {
  return {
    kid: Buffer.from(id, 'hex'),
    derive: createSecretKey(deriveKey(material, 'arctos refresh derive')),
    tag: createSecretKey(deriveKey(material, 'arctos refresh tag')),
  }
}
