import { randomBytes } from 'node:crypto'
import { decodeBase64url, deriveKey, encodeBase64url, Secret, seal, unseal } from '@arctos/core'
import { ClientError } from '../errors.ts'
import { sealedMark } from '../session-state.ts'
import type { SessionStore } from '../session-store.ts'

const purpose = 'arctos client session'
const keyBytes = 32
const nonceBytes = 12

/**
 * Seals what another store keeps with AES-256-GCM, so that a copy of it is worth nothing without the key. What was kept in clear
 * before is read, and sealed with the next change. What this key does not open is refused by the client, and a login replaces it.
 *
 * @param key 32 random bytes
 */
export function sealedStore(store: SessionStore, key: Uint8Array): SessionStore {
  if (key.byteLength !== keyBytes) throw new ClientError('invalid_option', 'the key of a sealed store has 32 bytes')
  const derived = deriveKey(key, purpose)

  const open = (kept: Secret | undefined): Secret | undefined => {
    const text = kept?.reveal()
    if (text === undefined || !text.startsWith(sealedMark)) return kept
    const sealed = decodeBase64url(text.slice(sealedMark.length))
    const opened = sealed && unseal(derived, purpose, sealed)
    // What does not open is handed on as it is, for there is something, and it must not be taken for nothing.
    return opened === undefined ? kept : new Secret(opened.toString('utf8'))
  }

  return {
    read: async () => open(await store.read()),
    async compareAndSwap(expected, next) {
      const kept = await store.read()
      if (open(kept)?.reveal() !== expected?.reveal()) return false
      const sealed = seal(derived, purpose, Buffer.from(next.reveal()), randomBytes(nonceBytes))
      return await store.compareAndSwap(kept, new Secret(`${sealedMark}${encodeBase64url(sealed)}`))
    },
    lease: (owner, durationMs) => store.lease(owner, durationMs),
    watch: (changed) => store.watch(changed),
  }
}
