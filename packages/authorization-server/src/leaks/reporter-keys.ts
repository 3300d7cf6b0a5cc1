import { createPublicKey, type KeyObject } from 'node:crypto'
import { isJsonObject, parseJsonObjectText, readString } from '@arctos/core'
import { askBounded } from '../outbound-fetch.ts'

/** The keys of one reporter, fetched when they are needed. */
export interface ReporterKeys {
  /**
   * The key under an identifier, or why there is none: the reporter publishes no such key, or its keys could not be had.
   * Never rejects.
   */
  readonly find: (identifier: string) => Promise<KeyObject | 'unknown' | 'unavailable'>
}

const timeoutMs = 5_000
const byteLimit = 262_144
const keyLimit = 100
/** How long keys are used before they are looked at again. */
const freshMs = 3_600_000
/** How long they are used while they cannot be looked at. */
const staleMs = 86_400_000
/** An unknown identifier asks for the keys anew at most this often: it may be a new key, or made up. */
const unknownPauseMs = 10_000
const longestPauseMs = 300_000

/**
 * Keeps the keys of a reporter. Whatever identifiers are made up, its address is asked once in ten seconds at the most, and less
 * often while it fails.
 *
 * @param now milliseconds of a clock that never goes back
 */
export function createReporterKeys(url: string, now: () => number, ask = askBounded): ReporterKeys {
  let keys = new Map<string, KeyObject>()
  let readAt = Number.NEGATIVE_INFINITY
  let askAgainAt = Number.NEGATIVE_INFINITY
  let failures = 0
  let asking: Promise<void> | undefined

  const refresh = async (): Promise<void> => {
    try {
      keys = parseKeys(await ask({ url, timeoutMs, byteLimit, headers: { accept: 'application/json' } }))
      readAt = now()
      failures = 0
    } catch {
      failures++
    }
    askAgainAt = now() + Math.min(unknownPauseMs * 2 ** failures, longestPauseMs)
  }

  return {
    async find(identifier) {
      const isKnown = keys.has(identifier) && now() - readAt < freshMs
      if (!isKnown && (asking !== undefined || now() >= askAgainAt)) {
        asking ??= refresh().finally(() => {
          asking = undefined
        })
        await asking
      }
      if (now() - readAt >= staleMs) return 'unavailable'
      return keys.get(identifier) ?? 'unknown'
    },
  }
}

/** The usable keys of what a reporter publishes. Throws where that is not what was expected. */
function parseKeys({ status, text }: { readonly status: number; readonly text: string }): Map<string, KeyObject> {
  if (status !== 200) throw new Error(`the keys were answered with ${status}`)
  const list = parseJsonObjectText(text)?.['public_keys']
  if (!Array.isArray(list)) throw new Error('the keys have no list public_keys')
  const keys = new Map<string, KeyObject>()
  for (const each of list.slice(0, keyLimit)) {
    if (!isJsonObject(each)) continue
    const [identifier, pem] = [readString(each, 'key_identifier'), readString(each, 'key')]
    const key = pem === undefined ? undefined : importKey(pem)
    if (identifier !== undefined && key !== undefined) keys.set(identifier, key)
  }
  return keys
}

/** One key of another kind does not make the others unusable. */
function importKey(pem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(pem)
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined
  } catch {
    return undefined
  }
}
