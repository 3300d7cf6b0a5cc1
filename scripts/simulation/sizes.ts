import { claimsOfRow, eventId } from '../../packages/authorization-server/src/feed/security-event.ts'
import type { LedgerRow } from '../../packages/authorization-server/src/store/revocation-entry.ts'

export const issuer = 'https://as.example.com'
export const audience = 'https://api.example.com/notes'
/** When the simulated time begins, in epoch seconds. */
export const beginning = 1_800_000_000

const idLength = 16
/** RS256 with 2048 bits, in base64url. */
const signatureLength = 342

/** A row of the ledger as the sequencer leaves it: a grant is ended. Its names are as long as real ones. */
export function ledgerRowOf(number: number, atMs: number, isForAll: boolean): LedgerRow {
  const name = (kind: string): string => `${kind}${number}`.padEnd(idLength, '-')
  const at = beginning + atMs / 1_000
  return {
    seq: number + 1,
    id: name('r'),
    atMs: at * 1_000,
    txn: name('t'),
    entry: isForAll
      ? { kind: 'subject', userId: `user_${name('u')}`, issuedBefore: Math.floor(at) + 1 }
      : { kind: 'grant', grantId: name('g'), userId: `user_${name('u')}`, clientId: name('c') },
    reason: 'revoked',
    initiator: 'user',
    resources: isForAll ? undefined : ['notes'],
    expiresAt: Math.ceil(at) + 3_600,
  }
}

function setLength(): number {
  const claims = claimsOfRow(issuer, 1, { row: ledgerRowOf(1e6, 1e6, false), previous: 1e6 }, audience)
  const header = { alg: 'RS256', kid: 'k'.repeat(idLength), typ: 'secevent+jwt' }
  const base64 = (value: object): number => Math.ceil((JSON.stringify(value).length * 4) / 3)
  return base64(header) + base64(claims) + signatureLength + 2
}

const jti = eventId('r'.repeat(idLength), audience).length
/** An access token of client credentials for the feed, beside request line, host, accept and content-type. */
const requestHead = 700 + 180
const responseHead = 150

/** Bytes in HTTP/1.1 and JSON, before TLS and TCP. */
export const sizes = {
  request: requestHead + JSON.stringify({ maxEvents: 500, returnImmediately: false, ack: [], setErrs: {} }).length,
  acknowledgement: jti + 3,
  answer: responseHead + JSON.stringify({ sets: {}, epoch: 1, head: 1e7, as_of: beginning + 0.123 }).length,
  event: jti + setLength() + 6,
  /** A line of a snapshot after compression: ids are random, so little of them goes. */
  line: 20,
} as const
