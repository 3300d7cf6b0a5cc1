import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { type JsonObject, jwkThumbprint } from '@arctos/core'
import type { SealedKey } from '../store/verbs/keys.ts'
import { sealKey } from './key-encryption.ts'
import { isReplaced, type KeyMaking, leadSeconds, overlapSeconds, rotationSeconds } from './key-maintenance.ts'
import { createKeyReader } from './opened-keys.ts'

const generate = promisify(generateKeyPair)

/**
 * Adds the key that signs security events where it is missing or due, and retires a replaced one; rotated like signing keys, with
 * lead and overlap. Always RS256 with 2048 bits, which the CAEP interoperability profile demands (CAEP interop §2.6). Resolves to
 * whether the keys have to be read again.
 */
export async function maintainEventKeys(making: KeyMaking, keys: readonly SealedKey[]): Promise<boolean> {
  const events = keys.filter((key) => key.purpose === 'events' && key.retiredAt === undefined)
  const changes: Promise<unknown>[] = []
  if (!events.some((key) => key.ageSeconds <= rotationSeconds))
    changes.push(addEventKey(making, events.length === 0 ? 0 : leadSeconds, 'server', rotationSeconds))
  for (const { id } of events.filter((key) => isReplaced(key, events)))
    changes.push(making.store.retireKey({ id, actor: 'server', ifReplacedForSeconds: overlapSeconds }))
  await Promise.all(changes)
  return changes.length > 0
}

/**
 * Adds an event key, and changes no other one: it signs at once in an emergency, else after the time that receivers need to see it.
 * Rejects with `WrongKeyEncryptionKey` when the key-encryption key is not that of the keys already there.
 */
export async function rotateEventKey(
  making: KeyMaking,
  { immediately, actor }: { readonly immediately: boolean; readonly actor: string },
): Promise<string> {
  await createKeyReader(making.store, '', making.kek)()
  return await addEventKey(making, immediately ? 0 : leadSeconds, actor)
}

async function addEventKey(
  { store, kek, random }: KeyMaking,
  activeInSeconds: number,
  actor: string,
  everySeconds?: number,
): Promise<string> {
  // In the thread pool: making an RSA key takes a hundred milliseconds and more.
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' }) as JsonObject
  // With a word in front it never begins with a dash, which a command line would take for an option.
  const kid = `ev${jwkThumbprint(jwk).slice(0, 16)}`
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  const key = {
    id: kid,
    purpose: 'events',
    algorithm: 'RS256',
    publicJwk: JSON.stringify({ ...jwk, kid, alg: 'RS256', use: 'sig' }),
    sealed: sealKey(kek, kid, 'events', pkcs8, random(12)),
    activeInSeconds,
  } as const
  await store.addKey({ key, onlyIfOlderThanSeconds: everySeconds, actor })
  return kid
}
