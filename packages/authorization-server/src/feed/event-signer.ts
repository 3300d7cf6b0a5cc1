import { createRecentCache, encodeHeader, type JsonObject, type SigningKey, signCompactJwsAsync } from '@arctos/core'
import type { KeyRing } from '../keys/key-ring.ts'
import type { LedgerRow } from '../store/revocation-entry.ts'
import { claimsOfRow, securityEventType, type ToldRow } from './security-event.ts'

/** `typ` of what vouches for a snapshot. */
export const snapshotType = 'revocation-snapshot+jwt'

/** Signs what the feed says. */
export interface EventSigner {
  readonly sign: (claims: JsonObject, typ?: string) => Promise<string>
  /** The event of a row for one audience; signed once, however many streams it goes to (PROTOCOL §6). */
  readonly signRow: (epoch: number, told: ToldRow, audience: string) => Promise<string>
}

export function createEventSigner(issuer: string, keys: Pick<KeyRing, 'eventKey'>): EventSigner {
  const headers = createRecentCache<string, string>(16)
  const headerOf = (key: SigningKey, typ: string): string => {
    const name = `${key.kid} ${typ}`
    const known = headers.get(name) ?? encodeHeader(key, typ)
    headers.set(name, known)
    return known
  }
  const sign: EventSigner['sign'] = async (claims, typ = securityEventType) => {
    const key = await keys.eventKey()
    return await signCompactJwsAsync(headerOf(key, typ), JSON.stringify(claims), key)
  }

  // Rows that leave the memory of the node take their signed forms with them.
  const signed = new WeakMap<LedgerRow, Map<string, Promise<string>>>()
  return {
    sign,
    async signRow(epoch, told, audience) {
      const forms = signed.get(told.row) ?? new Map<string, Promise<string>>()
      signed.set(told.row, forms)
      // Under a key that was withdrawn meanwhile it would be refused, and never asked for again.
      const name = `${(await keys.eventKey()).kid} ${audience}`
      let form = forms.get(name)
      if (form === undefined) {
        form = sign(claimsOfRow(issuer, epoch, told, audience))
        forms.set(name, form)
        // What failed is tried again for the next one who asks.
        form.catch(() => forms.delete(name))
      }
      return await form
    },
  }
}
