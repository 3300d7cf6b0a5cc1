import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  decodeUnverifiedSecurityEvent,
  type JsonValue,
  type SecurityEventExpectation,
  verifyRevocationSnapshot,
  verifySecurityEvent,
} from '../src/index.ts'
import { now } from './access-token-claims.ts'
import { signed } from './raw-jws.ts'
import { issuer, makeKeys } from './signing-keys.ts'

const key = makeKeys('ES256', 'events')
const other = makeKeys('ES256', 'events')
const rsa = makeKeys('RS256', 'events')
const resource = 'https://notes.example'
const expected: SecurityEventExpectation = { issuer, audiences: [resource, 'notes-api'], clockToleranceSeconds: 10 }
const header = { alg: 'ES256', kid: 'events', typ: 'secevent+jwt' }
const subject = { format: 'iss_sub', iss: issuer, sub: 'user-1' }
const type = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

type Changes = Readonly<Record<string, JsonValue | undefined>>

const right = { iss: issuer, aud: resource, iat: now, jti: 'event-1', sub_id: subject, events: { [type]: { seq: 1 } } }
const written = (changes: Changes = {}, head: Changes = {}, signer = key): string =>
  signed(signer.signing, { ...header, ...head }, JSON.stringify({ ...right, ...changes }))

const read = (text: string, with_ = key) => {
  const unverified = decodeUnverifiedSecurityEvent(text)
  return 'problem' in unverified ? unverified : verifySecurityEvent(unverified, with_.verification, expected, now)
}

describe('a security event token', () => {
  it('says one thing of one subject', () => {
    expect(read(written())).toEqual({ jti: 'event-1', issuedAt: now, subject, type, members: { seq: 1 } })
  })

  it('is taken as jose makes it, for several audiences, and to the edge of the tolerance', async () => {
    const text = await new SignJWT({ sub_id: subject, events: { [type]: {} } })
      .setProtectedHeader({ ...header, alg: 'RS256' })
      .setIssuer(issuer)
      .setAudience(['https://other.example', 'notes-api'])
      .setIssuedAt(now + 10)
      .setJti('event-2')
      .sign(rsa.privateKey)
    expect(read(text, rsa)).toMatchObject({ jti: 'event-2', issuedAt: now + 10 })
  })

  it.each<[string, string, string]>([
    ['oversized', 'longer than 16 KiB', written({ txn: 'x'.repeat(16_384) })],
    ['malformed', 'no JWS', 'text'],
    ['malformed', 'claims that are no JSON object', signed(key.signing, header, '[]')],
    ['malformed', 'claims with a repeated member', signed(key.signing, header, '{"iss":"a","iss":"b"}')],
    ['type', 'an access token', written({}, { typ: 'at+jwt' })],
    ['type', 'a snapshot', written({}, { typ: 'revocation-snapshot+jwt' })],
    ['type', 'no type', written({}, { typ: undefined })],
    ['key', 'no name of a key', written({}, { kid: undefined })],
    ['algorithm', 'another algorithm than the key is for', written({}, { alg: 'RS256' })],
    ['algorithm', 'no signature', written({}, { alg: 'none' })],
    ['signature', "somebody else's signature", written({}, {}, other)],
    ['issuer', 'another issuer', written({ iss: `${issuer}/` })],
    ['issuer', 'no issuer', written({ iss: undefined })],
    ['audience', 'another audience', written({ aud: `${resource}/` })],
    ['audience', 'no audience', written({ aud: undefined })],
    ['audience', 'an empty list of audiences', written({ aud: [] })],
    ['future', 'a time beyond the tolerance', written({ iat: now + 11 })],
    ['claims', 'no time', written({ iat: undefined })],
    ['claims', 'a time before all time', written({ iat: -1 })],
    ['claims', 'no id', written({ jti: '' })],
    ['claims', 'an id that is too long', written({ jti: 'x'.repeat(513) })],
    ['claims', 'a subject of access tokens', written({ sub: 'user-1' })],
    ['claims', 'an end', written({ exp: now + 60 })],
    ['claims', 'no subject', written({ sub_id: undefined })],
    ['claims', 'no event', written({ events: {} })],
    ['claims', 'two events', written({ events: { a: {}, b: {} } })],
    ['claims', 'an event that is no object', written({ events: { a: 'b' } })],
  ])('has the problem %s with %s', (problem, _what, text) => {
    expect(read(text)).toEqual({ problem })
  })
})

describe('the statement of a snapshot', () => {
  const statement = { iss: issuer, aud: resource, iat: now, epoch: 2, head: 7, entries: 3, digest: 'abc' }
  const readSnapshot = (changes: Changes, typ = 'revocation-snapshot+jwt') => {
    const text = signed(key.signing, { ...header, typ }, JSON.stringify({ ...statement, ...changes }))
    const unverified = decodeUnverifiedSecurityEvent(text, 'revocationSnapshot')
    if ('problem' in unverified) return unverified
    return verifyRevocationSnapshot(unverified, key.verification, expected, now)
  }

  it('says how far it goes, and what its body is', () => {
    expect(readSnapshot({})).toEqual({ issuedAt: now, epoch: 2, head: 7, entries: 3, digest: 'abc' })
  })

  it.each<[string, Changes]>([
    ['claims', { epoch: undefined }],
    ['claims', { head: 1.5 }],
    ['claims', { head: -1 }],
    ['claims', { entries: '3' }],
    ['claims', { digest: undefined }],
    ['issuer', { iss: 'https://other.example' }],
    ['audience', { aud: 'https://other.example' }],
    ['future', { iat: now + 11 }],
  ])('has the problem %s with %j', (problem, changes) => {
    expect(readSnapshot(changes)).toEqual({ problem })
  })

  it('is no event, and no event is one', () => {
    expect(readSnapshot({}, 'secevent+jwt')).toEqual({ problem: 'type' })
  })
})
