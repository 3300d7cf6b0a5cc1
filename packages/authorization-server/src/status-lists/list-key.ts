import { type KeyEncryptionKey, unsealKey } from '../keys/key-encryption.ts'
import type { StatusListRow } from '../store/verbs/status-lists.ts'

/** What the key of a list's permutation is sealed for, beside the id of the list. */
export const sealPurpose = 'status_list'

/** The key of a list's permutation. Throws `WrongKeyEncryptionKey`. */
export function openListKey(kek: KeyEncryptionKey, { id, sealed }: Pick<StatusListRow, 'id' | 'sealed'>): Buffer {
  return unsealKey(kek, id, sealPurpose, sealed)
}
