import { createHash, generateKeyPairSync } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { encodeHeader, signCompactJws } from '@arctos/core'
import { createCompaction } from '../../packages/authorization-server/src/feed/compaction.ts'
import { claimsOfRow, eventId, securityEventType } from '../../packages/authorization-server/src/feed/security-event.ts'
import { audience, issuer, ledgerRowOf } from './sizes.ts'
import type { World } from './world.ts'

/** What an issuer says of a world, signed and compressed by the real code. */
export interface Transmitter {
  readonly keys: { readonly held: (kid: string) => Key; readonly find: (kid: string) => Promise<Key> }
  /** The event of an entry, as the guards of a resource get it. */
  readonly event: (resource: number, place: number, epoch: number) => readonly [jti: string, set: string]
  /** The lines for a guard that begins, up to a place in the list of its resource. */
  readonly snapshot: (
    resource: number,
    place: number,
    at: number,
  ) => { readonly body: Uint8Array; readonly lines: number }
}

type Key = ReturnType<typeof createKeys>['verification']

export function createTransmitter(world: World, longestMs: number): Transmitter {
  const { signing, verification } = createKeys()
  const header = encodeHeader(signing, securityEventType)
  const events = new Map<string, readonly [string, string]>()
  const rowOf = (resource: number, place: number): ReturnType<typeof ledgerRowOf> => {
    const number = world.told[resource]?.[place] as number
    return ledgerRowOf(number, world.acknowledged[number] as number, world.resource[number] === -1)
  }
  return {
    keys: { held: () => verification, find: async () => verification },
    event(resource, place, epoch) {
      const name = `${resource} ${place} ${epoch}`
      const known = events.get(name)
      if (known !== undefined) return known
      const row = rowOf(resource, place)
      const previous = place === 0 ? 0 : rowOf(resource, place - 1).seq
      const claims = claimsOfRow(issuer, epoch, { row, previous }, audience)
      const made = [eventId(row.id, audience), signCompactJws(header, JSON.stringify(claims), signing)] as const
      events.set(name, made)
      return made
    },
    snapshot(resource, place, at) {
      const compaction = createCompaction()
      for (let each = place - 1; each >= 0; each -= 1) {
        const number = world.told[resource]?.[each] as number
        if ((world.acknowledged[number] as number) < at - longestMs) break
        const row = rowOf(resource, each)
        compaction.add(row.entry, row.atMs)
      }
      const lines = compaction.lines().map((line) => JSON.stringify(line))
      return { body: deflateSync(lines.join('\n'), { level: 6 }), lines: lines.length }
    },
  }
}

function createKeys() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const kid = createHash('sha256').update('events').digest('base64url').slice(0, 16)
  const algorithm = 'RS256'
  return {
    signing: { kid, algorithm, key: privateKey },
    verification: { kid, algorithm, owner: issuer, key: publicKey },
  } as const
}
