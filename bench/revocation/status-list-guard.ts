// The status lists of a guard with one list in them, without a guard around.
import { generateKeyPairSync } from 'node:crypto'
import {
  type AccessToken,
  encodeHeader,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  signCompactJws,
  strictJudge,
} from '@arctos/core'
import { createStatusLists } from '../../packages/resource-server/src/status-lists/status-lists.ts'

const issuer = 'https://as.example'
const uri = `${issuer}/status-lists/dGhlIGxpc3Qg`

/** Loads a list, and looks into it. */
export async function holdList(list: object): Promise<{
  /** Looks at the status of a token that is good. */
  readonly look: (access: AccessToken) => unknown
  readonly claimsOf: (index: number) => unknown
  readonly close: () => void
}> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = { ...(pair.publicKey.export({ format: 'jwk' }) as JsonObject), kid: 'key', alg: 'ES256', use: 'sig' }
  const key = importVerificationKey(jwk, issuer)
  if (!isVerificationKey(key)) throw new Error(key.why)
  const signing = { kid: 'key', algorithm: 'ES256', key: pair.privateKey } as const
  const now = Math.floor(Date.now() / 1_000)
  const claims = JSON.stringify({ iss: issuer, sub: uri, iat: now, exp: now + 600, ttl: 60, status_list: list })
  const token = signCompactJws(encodeHeader(signing, 'statuslist+jwt'), claims, signing)
  const aggregation = `${issuer}/status-lists`
  const trusted = {
    issuer,
    metadata: { locate: async () => ({ url: aggregation }), doubt: () => {} },
    held: () => key,
    find: async () => key,
    rejection: () => undefined,
    signed: () => {},
    reload: async () => {},
  }
  const lists = createStatusLists({
    fetch: async (url) => new Response(url === aggregation ? JSON.stringify({ status_lists: [uri] }) : token),
    now: Date.now,
    elapsed: () => performance.now(),
    wait: async () => {},
    clockToleranceSeconds: 10,
    longestTokenLifeSeconds: 86_400,
    statusLists: { required: false, whenUnavailable: 'refuse', origins: [] },
    changed: () => {},
  })
  // As a parser makes it: no two tokens share their text.
  const claimsOf = (idx: number): unknown =>
    JSON.parse(JSON.stringify({ issuer, issuedAt: now, claims: { status: { status_list: { idx, uri } } } }))
  const check = { token: '', issuers: new Map([[issuer, trusted]]), now, judge: strictJudge, proven: () => {} }
  let next: AccessToken = claimsOf(0) as AccessToken
  const watched = lists.watch(() => next)
  // Looks once, so that it is loaded; what it says of this one does not matter.
  await Promise.resolve(watched(check)).catch(() => {})
  const look = (access: AccessToken): unknown => {
    next = access
    return watched(check)
  }
  return { look, claimsOf, close: lists.close }
}
