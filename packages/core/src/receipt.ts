import { decodeBase64url } from './base64url.ts'
import { seal, unseal } from './crypto.ts'
import { isJsonObject, parseJsonObject, readNumber, readString } from './json.ts'
import type { Facts } from './refusal.ts'
import { isReason, type Reason, refusals } from './refusals.ts'

/**
 * The key of one day. Receipts are stored nowhere: whoever has the day's key can read them, and they die with it after a week.
 */
export interface ReceiptKey {
  /** 4 bytes in front of every receipt, to find the key. */
  readonly kid: Buffer
  /** 32 bytes. */
  readonly key: Buffer
}

/** What a receipt says about one refusal. */
export interface ReceiptContent {
  /** Epoch seconds. */
  readonly at: number
  readonly reason: Reason
  readonly facts: Facts
  /** The client that had proved itself when it was refused; only it may read the receipt besides the operator. */
  readonly owner: string | undefined
  /** The resource whose guard refused, for that resource's operator. */
  readonly audience: string | undefined
}

const purpose = 'arctos receipt'
const kidBytes = 4
const factsByteLimit = 160
const readerByteLimit = 300
const receiptLengthLimit = 1_300
const longestReason = Math.max(...Object.keys(refusals).map((reason) => reason.length))

/**
 * Seals what a refusal was about, padded: the length of a receipt tells who it is for, and not which row it is or what the facts
 * are, or it would tell apart what one sentence hides. Facts are shortened to 160 bytes. An owner or audience beyond 300 bytes is left out, never
 * cut, for its beginning may be the name of somebody else: then the operator alone can read the receipt.
 *
 * @param nonce 12 random bytes
 */
export function sealReceipt(key: ReceiptKey, content: ReceiptContent, nonce: Uint8Array): string {
  const { at, reason, facts, owner, audience } = content
  const bound = boundFacts(facts)
  const members = { t: at, r: reason, f: bound, o: boundReader(owner), a: boundReader(audience) }
  const padding = longestReason + factsByteLimit - reason.length - Buffer.byteLength(JSON.stringify(bound))
  const sealed = seal(key.key, purpose, Buffer.from(JSON.stringify(members) + ' '.repeat(padding)), nonce)
  return Buffer.concat([key.kid, sealed]).toString('base64url')
}

/** Reads a receipt with whichever of the keys made it; `undefined` for anything that none of them did. */
export function openReceipt(keys: readonly ReceiptKey[], receipt: string): ReceiptContent | undefined {
  const bytes = receipt.length <= receiptLengthLimit ? decodeBase64url(receipt) : undefined
  if (bytes === undefined || bytes.byteLength < kidBytes) return undefined
  const key = keys.find((candidate) => candidate.kid.equals(bytes.subarray(0, kidBytes)))
  const plaintext = key && unseal(key.key, purpose, bytes.subarray(kidBytes))
  const content = plaintext && parseJsonObject(plaintext)
  if (!content) return undefined
  const reason = readString(content, 'r')
  if (reason === undefined || !isReason(reason)) return undefined
  return {
    at: readNumber(content, 't') ?? 0,
    reason,
    facts: readFacts(content['f']),
    owner: readString(content, 'o'),
    audience: readString(content, 'a'),
  }
}

/** Keeps facts within their bytes by shortening texts first and dropping what is still too much. */
function boundFacts(facts: Facts): Facts {
  const kept: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined) continue
    kept[name] = typeof value === 'string' ? value.slice(0, 60) : value
    if (Buffer.byteLength(JSON.stringify(kept)) > factsByteLimit) delete kept[name]
  }
  return kept
}

function boundReader(name: string | undefined): string | undefined {
  return name !== undefined && Buffer.byteLength(JSON.stringify(name)) <= readerByteLimit ? name : undefined
}

function readFacts(value: unknown): Facts {
  if (!isJsonObject(value)) return {}
  const entries = Object.entries(value).filter((entry): entry is [string, string | number | boolean] =>
    ['string', 'number', 'boolean'].includes(typeof entry[1]),
  )
  return Object.fromEntries(entries)
}
