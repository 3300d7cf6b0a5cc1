import { encodeBase64url, seal, unseal } from '@arctos/core'

/** The key-encryption key: 32 bytes that never touch the database. */
export type KeyEncryptionKey = Buffer

/** Seals key material for one id and one purpose, so that rows cannot be swapped. */
export function sealKey(
  kek: KeyEncryptionKey,
  id: string,
  purpose: string,
  material: Uint8Array,
  nonce: Uint8Array,
): string {
  return encodeBase64url(seal(kek, `arctos key ${purpose} ${id}`, material, nonce))
}

/** Thrown when the key-encryption key does not open what is in the database: another key, or an altered row. */
export class WrongKeyEncryptionKey extends Error {
  override readonly name = 'WrongKeyEncryptionKey'
}

export function unsealKey(kek: KeyEncryptionKey, id: string, purpose: string, sealed: string): Buffer {
  const material = unseal(kek, `arctos key ${purpose} ${id}`, Buffer.from(sealed, 'base64url'))
  if (material === undefined)
    throw new WrongKeyEncryptionKey(`key ${id} (${purpose}) does not open with this key-encryption key`)
  return material
}
