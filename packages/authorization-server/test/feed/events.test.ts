import { describe, expect, it } from 'vitest'
import { createCompaction } from '../../src/feed/compaction.ts'
import { claimsOfNotice, claimsOfRow, eventId, rowIdOf } from '../../src/feed/security-event.ts'
import { isSubject, matchesSubject } from '../../src/feed/subject-match.ts'
import type { LedgerRow, RevocationEntry } from '../../src/store/revocation-entry.ts'

const issuer = 'https://issuer.example'
const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const atMs = 1_900_000_000_500
const at = 1_900_000_000
const user = { format: 'iss_sub', iss: issuer, sub: 'ada' }
const opaque = (id: string) => ({ format: 'opaque', id })
const application = opaque('app')
const tenant = { format: 'complex', tenant: { format: 'uri', uri: issuer } }

function rowOf(entry: RevocationEntry): LedgerRow {
  return {
    seq: 7,
    id: 'row',
    atMs,
    txn: 'one-cause',
    entry,
    reason: 'password_changed',
    initiator: 'user',
    resources: undefined,
    expiresAt: at + 100_000,
  }
}

/** What was taken back; the type and subject of its event; the members that hold its exact rule. */
const rows: readonly (readonly [string, RevocationEntry, string, object, object])[] = [
  [
    'one access token',
    { kind: 'token', jti: 'j', expiresAt: at + 60 },
    `${caep}session-revoked`,
    { format: 'jwt_id', iss: issuer, jti: 'j' },
    { event_timestamp: at, exp: at + 60 },
  ],
  [
    'a grant',
    { kind: 'grant', grantId: 'g', userId: 'ada', clientId: 'app' },
    `${caep}session-revoked`,
    { format: 'complex', session: opaque('g'), user, application },
    { event_timestamp: at },
  ],
  [
    'a key of a service',
    { kind: 'grant', grantId: 'g', clientId: 'app' },
    `${caep}session-revoked`,
    { format: 'complex', session: opaque('g'), application },
    { event_timestamp: at },
  ],
  [
    'a user at one client',
    { kind: 'user_at_client', userId: 'ada', clientId: 'app', issuedBefore: at + 1 },
    `${caep}session-revoked`,
    { format: 'complex', user, application },
    { event_timestamp: at + 1, iat_lt: at + 1 },
  ],
  [
    'a subject everywhere',
    { kind: 'subject', userId: 'ada', issuedBefore: at + 1 },
    `${caep}session-revoked`,
    user,
    { event_timestamp: at + 1, iat_lt: at + 1 },
  ],
  [
    'a client',
    { kind: 'client', clientId: 'app', issuedBefore: at + 1 },
    `${caep}session-revoked`,
    { format: 'complex', application },
    { event_timestamp: at + 1, iat_lt: at + 1 },
  ],
  [
    'an actor',
    { kind: 'actor', actor: 'bot', issuedBefore: at + 1 },
    `${caep}session-revoked`,
    { format: 'complex', actor: opaque('bot') },
    { event_timestamp: at + 1, iat_lt: at + 1 },
  ],
  [
    'all',
    { kind: 'all', issuedBefore: at + 1 },
    `${caep}session-revoked`,
    tenant,
    { event_timestamp: at + 1, iat_lt: at + 1 },
  ],
  [
    'a signing key',
    { kind: 'key', kid: 'k' },
    'urn:arctos:event-type:key-withdrawn',
    tenant,
    { event_timestamp: at, kid: 'k' },
  ],
  [
    'a password',
    { kind: 'credential', principal: 'user', id: 'ada', credential: 'password', change: 'update' },
    `${caep}credential-change`,
    user,
    { event_timestamp: at, credential_type: 'password', change_type: 'update' },
  ],
  [
    'a client secret',
    { kind: 'credential', principal: 'client', id: 'app', credential: 'client_secret', change: 'revoke' },
    `${caep}credential-change`,
    { format: 'complex', application },
    { event_timestamp: at, credential_type: 'client_secret', change_type: 'revoke' },
  ],
  [
    'the scope of a grant',
    { kind: 'claims', grantId: 'g', userId: 'ada', clientId: 'app', issuedBefore: at + 1 },
    `${caep}token-claims-change`,
    { format: 'complex', session: opaque('g'), user, application },
    { event_timestamp: at + 1, iat_lt: at + 1, claims: { grant_id: 'g' } },
  ],
]

describe('an event', () => {
  it.each(rows)(
    'tells of %s [PROTOCOL §7, RFC 8417 §2.2(a)(c), RFC 9493 §3.2.3, RFC 9493 §3.2.4, RFC 9493 §3.2.7, RFC 9493 §3(b), SSF §3, CAEP §3]',
    (_name, entry, type, subject, members) => {
      const claims = claimsOfRow(issuer, 3, { row: rowOf(entry), previous: 5 }, 'https://notes.example')
      expect(claims).toEqual({
        iss: issuer,
        iat: at,
        jti: eventId('row', 'https://notes.example'),
        aud: 'https://notes.example',
        txn: 'one-cause',
        sub_id: subject,
        events: {
          [type]: {
            initiating_entity: 'user',
            reason_admin: { en: 'password changed' },
            ...members,
            epoch: 3,
            seq: 7,
            prev: 5,
          },
        },
      })
    },
  )

  it('has another id for each audience, and only that audience can acknowledge it [RFC 8417 §2.2(b)]', () => {
    const id = eventId('row', 'https://notes.example')
    expect(rowIdOf(id, 'https://notes.example')).toBe('row')
    expect([eventId('row', 'https://archive.example') === id, rowIdOf(id, 'https://archive.example')]).toEqual([
      false,
      undefined,
    ])
  })

  it('about a stream has the stream as its subject, and nothing of the log but in a heartbeat [SSF §8.1.4.1]', () => {
    const notice = { jti: 'n', kind: 'verification', at, state: 'S' } as const
    const heartbeat = { epoch: 1, head: 9, asOf: 1.5 }
    const [asked, beat] = [undefined, heartbeat].map((each) => claimsOfNotice(issuer, 'stream', 'aud', notice, each))
    const events = (told: object) => ({ 'https://schemas.openid.net/secevent/ssf/event-type/verification': told })
    expect(asked).toEqual({
      iss: issuer,
      iat: at,
      jti: 'n',
      aud: 'aud',
      sub_id: opaque('stream'),
      events: events({ state: 'S' }),
    })
    expect(beat?.['events']).toEqual(events({ state: 'S', epoch: 1, head: 9, as_of: 1.5 }))
  })
})

describe('a snapshot', () => {
  it('has of each the greatest cut-off, in lines that begin with the kind [PROTOCOL §6]', () => {
    const compaction = createCompaction()
    for (const [, entry] of rows) compaction.add(entry, atMs)
    compaction.add({ kind: 'subject', userId: 'ada', issuedBefore: at + 9 }, atMs)
    compaction.add({ kind: 'subject', userId: 'ada', issuedBefore: at + 4 }, atMs)
    // At once with all others is the cut-off of everything: only what is later is left beside it.
    expect(compaction.lines()).toEqual([
      ['t', 'j', at + 60],
      ['g', 'g', at],
      ['s', 'ada', at + 9],
      ['x', at + 1],
    ])
  })

  it('keeps apart what is named alike', () => {
    const compaction = createCompaction()
    compaction.add({ kind: 'user_at_client', userId: 'a', clientId: 'b","c', issuedBefore: 1 }, atMs)
    compaction.add({ kind: 'user_at_client', userId: 'a","b', clientId: 'c', issuedBefore: 2 }, atMs)
    compaction.add({ kind: 'client', clientId: 'a', issuedBefore: 3 }, atMs)
    compaction.add({ kind: 'actor', actor: 'a', issuedBefore: 4 }, atMs)
    compaction.add({ kind: 'claims', grantId: 'a', clientId: 'x', issuedBefore: 5 }, atMs)
    expect(compaction.lines()).toEqual([
      ['p', 'a', 'b","c', 1],
      ['p', 'a","b', 'c', 2],
      ['c', 'a', 3],
      ['a', 'a', 4],
      ['m', 'a', 5],
    ])
  })
})

describe('a subject', () => {
  const group = opaque('group')
  it.each([
    ['is itself', user, { ...user }, true],
    ['is no other', user, { ...user, sub: 'bob' }, false],
    ['that is simple is none of a complex one', user, { format: 'complex', user }, false],
    [
      'with fewer members is about all that have them',
      { format: 'complex', user },
      { format: 'complex', user, group },
      true,
    ],
    [
      'with more members is about those that lack them',
      { format: 'complex', user, group },
      { format: 'complex', user },
      true,
    ],
    [
      'with another member is another',
      { format: 'complex', user, group },
      { format: 'complex', user, group: user },
      false,
    ],
  ])('%s [SSF §8.1.3.1]', (_name, named, told, matches) => {
    expect(matchesSubject(named, told)).toBe(matches)
  })

  it.each([
    [user, true],
    [{ format: 'complex', user }, true],
    [{ format: 'complex' }, false],
    [{ format: 'complex', user: 'ada' }, false],
    [{ sub: 'ada' }, false],
    ['ada', false],
    [null, false],
  ])('%j is one: %s [RFC 9493 §3(a)]', (value, isOne) => {
    expect(isSubject(value)).toBe(isOne)
  })
})
