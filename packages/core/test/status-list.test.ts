import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  decodeStatusList,
  decodeUnverifiedStatusList,
  encodeStatusList,
  type JsonValue,
  Refusal,
  readStatusReference,
  statusAt,
  type VerifiedStatusList,
  verifyStatusList,
} from '../src/index.ts'
import { now } from './access-token-claims.ts'
import { signed, unsigned } from './raw-jws.ts'
import { issuer, makeKeys } from './signing-keys.ts'
import { statusListVectors } from './status-list-vectors.ts'

const key = makeKeys('ES256', 'first')
const uri = `${issuer}/status-lists/one`
const header = { alg: 'ES256', kid: 'first', typ: 'statuslist+jwt' }
const byteLimit = 2 ** 21
const bytes = Uint8Array.of(0xb9, 0xa3)
const statusList = { bits: 1, lst: deflateSync(bytes).toString('base64url') }

type Changes = Readonly<Record<string, JsonValue | undefined>>

const claims = (changes: Changes = {}): string =>
  JSON.stringify({ iss: issuer, sub: uri, iat: now, exp: now + 600, ttl: 60, status_list: statusList, ...changes })
const written = (changes: Changes = {}, head: object = header): string => signed(key.signing, head, claims(changes))
const read = async (text: string, notOlderThan = 0): Promise<VerifiedStatusList> => {
  const expected = { issuer, uri, notOlderThan, clockToleranceSeconds: 10, byteLimit }
  return await verifyStatusList(decodeUnverifiedStatusList(text, 100_000), key.verification, expected, now)
}
const checkFor = async (reading: Promise<unknown>): Promise<unknown> => {
  const refusal = await reading.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(refusal instanceof Refusal)) throw new Error('it was taken')
  expect(refusal.reason).toBe('status.unavailable')
  return refusal.facts['check']
}

describe('the encoding of a status list', () => {
  it.each(statusListVectors)('of $bits bits reads the vector of draft-ietf-oauth-status-list-21', async (vector) => {
    const list = await decodeStatusList({ bits: vector.bits, lst: vector.lst }, byteLimit)
    expect(list.bytes).toHaveLength((2 ** 20 * vector.bits) / 8)
    for (const [index, status] of vector.statuses) expect([index, statusAt(list, index)]).toEqual([index, status])
    // Everything else is 0, so clearing those leaves nothing.
    const rest = Uint8Array.from(list.bytes)
    for (const [index] of vector.statuses) {
      const at = Math.floor((index * vector.bits) / 8)
      rest[at] = (rest[at] ?? 0) & ~(((1 << vector.bits) - 1) << ((index * vector.bits) % 8))
    }
    expect(rest.every((byte) => byte === 0)).toBe(true)
  })

  it('packs from the least significant bit on, like the example of the draft', async () => {
    const first = await decodeStatusList(
      { bits: 1, lst: Buffer.from('78dadbb918000217015d', 'hex').toString('base64url') },
      2,
    )
    expect(Array.from({ length: 17 }, (_, index) => statusAt(first, index))).toEqual([
      ...[1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1],
      undefined,
    ])
    const second = await decodeStatusList(
      { bits: 2, lst: Buffer.from('78da3be9f2130003df0207', 'hex').toString('base64url') },
      3,
    )
    expect(Array.from({ length: 13 }, (_, index) => statusAt(second, index))).toEqual([
      ...[1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3],
      undefined,
    ])
  })

  it('says nothing of an index that has come round to another in 32 bits', async () => {
    expect(statusAt({ bits: 1, bytes: Uint8Array.of(1) }, 2 ** 32)).toBeUndefined()
    expect(statusAt({ bits: 8, bytes: Uint8Array.of(1) }, 2 ** 53 - 1)).toBeUndefined()
  })

  it('is read back as it was written', async () => {
    const list = { bits: 4, bytes: Uint8Array.from({ length: 1_000 }, (_, at) => (at * 7) % 256) } as const
    expect(await decodeStatusList(await encodeStatusList(list), 1_000)).toEqual({
      bits: 4,
      bytes: Buffer.from(list.bytes),
    })
  })

  const bomb = deflateSync(Buffer.alloc(2 ** 21 + 1)).toString('base64url')
  it.each<readonly [string, JsonValue | undefined, string]>([
    ['no object', 'lst', 'status_list'],
    ['absent', undefined, 'status_list'],
    ['3 bits', { ...statusList, bits: 3 }, 'bits'],
    ['0 bits', { ...statusList, bits: 0 }, 'bits'],
    ['16 bits', { ...statusList, bits: 16 }, 'bits'],
    ['bits as text', { ...statusList, bits: '1' }, 'bits'],
    ['no list', { bits: 1 }, 'lst'],
    ['padded base64', { bits: 1, lst: `${statusList.lst}=` }, 'lst'],
    ['no ZLIB', { bits: 1, lst: 'AAAA' }, 'lst'],
    ['nothing in it', { bits: 1, lst: deflateSync('').toString('base64url') }, 'lst'],
    ['half a stream', { bits: 1, lst: deflateSync(bytes).subarray(0, -3).toString('base64url') }, 'lst'],
    [
      'something behind the stream',
      { bits: 1, lst: Buffer.concat([deflateSync(bytes), Buffer.from('!')]).toString('base64url') },
      'lst',
    ],
    ['a zip bomb', { bits: 1, lst: bomb }, 'size'],
  ])('is refused where it is %s', async (_name, value, check) => {
    expect(await checkFor(decodeStatusList(value, byteLimit))).toBe(`status list: ${check}`)
  })

  it('may be just as long as it may be', async () => {
    const lst = deflateSync(Buffer.alloc(byteLimit)).toString('base64url')
    expect((await decodeStatusList({ bits: 1, lst }, byteLimit)).bytes).toHaveLength(byteLimit)
  })
})

describe('a status list token', () => {
  it('says what its issuer says of each index', async () => {
    const { list, ...times } = await read(written())
    expect([statusAt(list, 0), statusAt(list, 1)]).toEqual([1, 0])
    expect(times).toEqual({ issuedAt: now, expiresAt: now + 600, ttlSeconds: 60 })
  })

  it('needs neither iss, exp nor ttl', async () => {
    const { list: _list, ...times } = await read(written({ iss: undefined, exp: undefined, ttl: undefined }))
    expect(times).toEqual({ issuedAt: now, expiresAt: undefined, ttlSeconds: undefined })
  })

  it.each<readonly [string, string, string]>([
    ['the type of an access token', written({}, { ...header, typ: 'at+jwt' }), 'type'],
    ['no type', written({}, { alg: 'ES256', kid: 'first' }), 'type'],
    ['no key', written({}, { alg: 'ES256', typ: 'statuslist+jwt' }), 'kid'],
    ['another algorithm', written({}, { ...header, alg: 'EdDSA' }), 'algorithm'],
    ['no signature', unsigned(header, claims()), 'signature'],
    ['a signature by another key', signed(makeKeys('ES256', 'first').signing, header, claims()), 'signature'],
    ['another issuer', written({ iss: 'https://other.example' }), 'iss'],
    ['another list', written({ sub: `${uri}2` }), 'sub'],
    ['no subject', written({ sub: undefined }), 'sub'],
    ['no time of issue', written({ iat: undefined }), 'iat'],
    ['a time of issue in the future', written({ iat: now + 11 }), 'iat'],
    ['a time of issue before that of the last one', written({ iat: now - 101 }), 'iat'],
    ['an end that is over', written({ exp: now - 10 }), 'exp'],
    ['an end as text', written({ exp: 'never' }), 'exp'],
    ['a time to live of nothing', written({ ttl: 0 }), 'ttl'],
    ['a time to live as text', written({ ttl: '60' }), 'ttl'],
    ['no list', written({ status_list: undefined }), 'status_list'],
    ['a member twice', signed(key.signing, header, claims().replace('{', `{"sub":"${uri}",`)), 'claims'],
    [
      'a list with a member twice',
      signed(key.signing, header, claims().replace('"bits":1', '"bits":2,"bits":1')),
      'claims',
    ],
    ['three dots', `${written()}.`, 'parts'],
    ['100 KB', written({ filler: 'x'.repeat(100_000) }), 'length'],
  ])('is refused with %s', async (_name, text, check) => {
    expect(await checkFor((async () => read(text, now - 100))())).toBe(`status list: ${check}`)
  })

  it('may be as old as the last one, and a tolerance from the future', async () => {
    expect((await read(written({ iat: now - 100 }), now - 100)).issuedAt).toBe(now - 100)
    expect((await read(written({ iat: now + 10 }))).issuedAt).toBe(now + 10)
  })
})

describe('the reference in a token', () => {
  const at = (reference: JsonValue) => readStatusReference({ status: { status_list: reference } })

  it('is an index and an address', () => {
    expect(at({ idx: 7, uri })).toEqual({ index: 7, uri })
    expect(at({ idx: 0, uri, more: true })).toEqual({ index: 0, uri })
  })

  it('is absent without status, and with a mechanism that is no list', () => {
    expect([readStatusReference({}), readStatusReference({ status: { other: {} } })]).toEqual([undefined, undefined])
  })

  it.each<readonly [string, JsonValue]>([
    ['an index as text', { idx: '7', uri }],
    ['a negative index', { idx: -1, uri }],
    ['half an index', { idx: 0.5, uri }],
    ['an index beyond what numbers hold', { idx: 2 ** 53, uri }],
    ['no index', { uri }],
    ['no address', { idx: 7 }],
    ['an address of 513 characters', { idx: 7, uri: 'x'.repeat(513) }],
    ['a list of both', [7, uri]],
  ])('cannot be followed with %s', (_name, reference) => {
    expect(at(reference)).toBe('malformed')
  })

  it('cannot be followed in a status that is a text', () => {
    expect(readStatusReference({ status: 'good' })).toBe('malformed')
  })
})
