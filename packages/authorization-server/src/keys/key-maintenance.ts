import { formatOpaqueToken, type Secret, sharedSecretBytes } from '@arctos/core'
import type { Store } from '../store/store.ts'
import type { KeyPurpose, NewKey, SealedKey } from '../store/verbs/keys.ts'
import { type KeyEncryptionKey, sealKey } from './key-encryption.ts'
import { createKeyReader, receiptKeySeconds } from './opened-keys.ts'
import { sealPurpose } from './shared-secret.ts'
import { generateSigningKey, type SigningAlgorithm } from './signing-key.ts'

/** What new keys are made with. */
export interface KeyMaking {
  readonly store: Store
  readonly kek: KeyEncryptionKey
  readonly random: (byteLength: number) => Buffer
}

const day = 86_400
/** How often the signing key changes by itself. */
export const rotationSeconds = 30 * day
/** A new key is published this long before it signs: guards hold a key set for 60 s at the most. */
export const leadSeconds = 120
/** A replaced key verifies this much longer: the longest life of a token. */
export const overlapSeconds = day

/**
 * Adds the keys that are missing or due, and retires replaced ones. Ages are those of the store's clock, and the store decides
 * once more when it changes something: of many nodes one does it, and one whose clock is wrong does nothing (PROTOCOL §1).
 * Resolves to whether the keys have to be read again.
 */
export async function maintainKeys(
  making: KeyMaking,
  algorithm: SigningAlgorithm,
  keys: readonly SealedKey[],
): Promise<boolean> {
  const isDue = (purpose: KeyPurpose, everySeconds: number): boolean =>
    !keys.some((key) => key.purpose === purpose && key.ageSeconds <= everySeconds)
  const changes: Promise<unknown>[] = []
  if (isDue('refresh', Number.POSITIVE_INFINITY)) changes.push(addSymmetric(making, 'refresh'))
  if (isDue('form', Number.POSITIVE_INFINITY)) changes.push(addSymmetric(making, 'form'))
  if (isDue('receipt', day)) changes.push(addSymmetric(making, 'receipt', day, receiptKeySeconds))

  const signing = keys.filter((key) => key.purpose === 'signing' && key.retiredAt === undefined)
  const isFresh = signing.some((key) => key.algorithm === algorithm && key.ageSeconds <= rotationSeconds)
  // The very first key signs at once. Where others sign already, guards have to see the new one before, also when it is the
  // first of another algorithm.
  if (!isFresh)
    changes.push(addSigningKey(making, algorithm, signing.length === 0 ? 0 : leadSeconds, 'server', rotationSeconds))
  for (const { id } of signing.filter((key) => isReplaced(key, signing)))
    changes.push(making.store.retireKey({ id, actor: 'server', ifReplacedForSeconds: overlapSeconds }))
  await Promise.all(changes)
  return changes.length > 0
}

/**
 * A signing key goes once a younger one of its algorithm has signed for longer than any token lives. One of another algorithm
 * replaces nothing: another node may still be configured for the former. Only an operator retires the last of an algorithm.
 */
export function isReplaced(key: SealedKey, signing: readonly SealedKey[]): boolean {
  return signing.some(
    (other) =>
      other.algorithm === key.algorithm && other.activeAt > key.activeAt && other.activeForSeconds > overlapSeconds,
  )
}

async function addSymmetric(
  { store, kek, random }: KeyMaking,
  purpose: KeyPurpose,
  everySeconds = Number.POSITIVE_INFINITY,
  expiresInSeconds?: number,
): Promise<void> {
  const id = random(4).toString('hex')
  const sealed = sealKey(kek, id, purpose, random(32), random(12))
  const key = { id, purpose, algorithm: 'HS256', sealed, activeInSeconds: 0, expiresInSeconds }
  await store.addKey({ key, onlyIfOlderThanSeconds: everySeconds, actor: 'server' })
}

async function addSigningKey(
  { store, kek, random }: KeyMaking,
  algorithm: SigningAlgorithm,
  activeInSeconds: number,
  actor: string,
  everySeconds?: number,
): Promise<string> {
  const { kid, publicJwk, pkcs8 } = generateSigningKey(algorithm)
  const key = {
    id: kid,
    purpose: 'signing',
    algorithm,
    publicJwk: JSON.stringify(publicJwk),
    sealed: sealKey(kek, kid, 'signing', pkcs8, random(12)),
    activeInSeconds,
  } as const
  await store.addKey({ key, onlyIfOlderThanSeconds: everySeconds, actor })
  return kid
}

export interface Rotation {
  /** Without one: that of the keys that sign now. */
  readonly algorithm: SigningAlgorithm | undefined
  /** Sign with it at once, in an emergency; else after the time that guards need to see it. */
  readonly immediately: boolean
  readonly actor: string
}

export type RotationOutcome =
  | { readonly outcome: 'added'; readonly kid: string }
  /** Keys of several algorithms sign, so one has to be named. */
  | { readonly outcome: 'ambiguous'; readonly algorithms: readonly SigningAlgorithm[] }

/**
 * Adds a signing key, and changes no other one. Rejects with `WrongKeyEncryptionKey` when the key-encryption key is not that of
 * the keys already there: the servers could not open the new one.
 */
export async function rotateSigningKey(making: KeyMaking, rotation: Rotation): Promise<RotationOutcome> {
  const { sealed } = await createKeyReader(making.store, '', making.kek)()
  const signing = sealed.filter((key) => key.purpose === 'signing' && key.retiredAt === undefined)
  const algorithms = [...new Set(signing.map((key) => key.algorithm as SigningAlgorithm))]
  if (rotation.algorithm === undefined && algorithms.length > 1) return { outcome: 'ambiguous', algorithms }
  const algorithm = rotation.algorithm ?? algorithms[0] ?? 'ES256'
  const kid = await addSigningKey(making, algorithm, rotation.immediately ? 0 : leadSeconds, rotation.actor)
  return { outcome: 'added', kid }
}

/**
 * Makes the secret that a resource shares with this server, sealed for the store, and in clear for its operator, once. Rejects
 * with `WrongKeyEncryptionKey` when the key-encryption key is not that of the keys already there. RFC 8725 §3.5
 *
 * @param activeInSeconds how long until it signs: the resource server has to know it before
 */
export async function makeSharedSecret(
  { store, kek, random }: KeyMaking,
  resourceKey: string,
  activeInSeconds = 0,
): Promise<{ readonly key: NewKey; readonly secret: Secret }> {
  await createKeyReader(store, '', kek)()
  const id = random(12).toString('hex')
  const bytes = Buffer.from(random(sharedSecretBytes))
  const sealed = sealKey(kek, id, sealPurpose({ purpose: 'shared_secret', resourceKey }), bytes, random(12))
  const key = { id, purpose: 'shared_secret', algorithm: 'HS256', resourceKey, sealed, activeInSeconds } as const
  return { key, secret: formatOpaqueToken('sharedSecret', bytes, store.environment) }
}
