import { describe, expect, it } from 'vitest'
import { checkTokenKind, decodeUnverifiedJws, type TokenKindName } from '../src/index.ts'
import { unsigned } from './raw-jws.ts'
import { refusalOf } from './refusal-of.ts'

const headerWith = (typ: string | undefined) => decodeUnverifiedJws(unsigned({ alg: 'ES256', typ }, {})).header
const accepts = (kind: TokenKindName, typ: string | undefined): boolean => {
  try {
    checkTokenKind(headerWith(typ), kind)
    return true
  } catch {
    return false
  }
}

const accessTokenTypes = ['at+jwt', 'application/at+jwt', 'AT+JWT', 'Application/At+Jwt']
const plainTypes = ['JWT', 'jwt', 'application/jwt', 'application/JWT']
const assertionTypes = ['client-authentication+jwt', 'application/client-authentication+jwt']
const answerTypes = ['token-introspection+jwt', 'Application/Token-Introspection+JWT']
const eventTypes = ['secevent+jwt', 'application/secevent+jwt']
const snapshotTypes = ['revocation-snapshot+jwt', 'Application/Revocation-Snapshot+JWT']
const listTypes = ['statuslist+jwt', 'application/StatusList+JWT']
const foreignTypes = [
  'dpop+jwt',
  'logout+jwt',
  'statuslist+cwt',
  'oauth-authz-req+jwt',
  'JWE',
  'JOSE',
  '',
  'at',
  'at+jwt ',
  ' at+jwt',
  'at+jwt; charset=utf-8',
  'xat+jwt',
  'at+jwtx',
  'application/application/at+jwt',
  'text/at+jwt',
  'application/',
  'at\u200b+jwt',
  'jwt\0',
]
const everyType = [
  undefined,
  ...accessTokenTypes,
  ...plainTypes,
  ...assertionTypes,
  ...answerTypes,
  ...listTypes,
  ...eventTypes,
  ...snapshotTypes,
  ...foreignTypes,
]

const expected: Record<TokenKindName, readonly (string | undefined)[]> = {
  accessToken: accessTokenTypes,
  untypedAccessToken: [...accessTokenTypes, ...plainTypes],
  introspectionAnswer: answerTypes,
  statusList: listTypes,
  clientAssertion: [undefined, ...plainTypes, ...assertionTypes],
  securityEvent: eventTypes,
  revocationSnapshot: snapshotTypes,
}

describe.each(Object.keys(expected) as TokenKindName[])('kind %s', (kind) => {
  it.each(everyType)('and typ %j: accepted only when the registry says so [RFC 9068 §4(a), RFC 8725 §3.11]', (typ) => {
    expect(accepts(kind, typ)).toBe(expected[kind].includes(typ))
  })
})

describe('checkTokenKind', () => {
  it('says which type was expected and which came', () => {
    const refusal = refusalOf(() => checkTokenKind(headerWith('dpop+jwt'), 'accessToken'))
    expect(refusal.reason).toBe('token.type')
    expect(refusal.facts).toEqual({ check: 'type', expected: 'at+jwt', received: 'dpop+jwt' })
  })

  it('shows at most 40 characters of a foreign type', () => {
    expect(refusalOf(() => checkTokenKind(headerWith('x'.repeat(500)), 'accessToken')).facts['received']).toHaveLength(
      40,
    )
  })
})
