import { createHmac } from 'node:crypto'
import type { Reason } from '@arctos/core'
import { type Issuer, makeKey } from './issuer.ts'

/** One request of the acceptance suite and its only right answer. */
export interface Vector {
  /** Behaviour, and in brackets the clause that demands it. */
  readonly title: string
  /** Values of the Authorization header, one line each. */
  readonly authorization: (issuer: Issuer) => readonly string[]
  readonly query?: (issuer: Issuer) => string
  readonly body?: (issuer: Issuer) => string
  /** The scope that the route needs; `read` by default. */
  readonly scope?: 'read' | 'write'
  readonly status: number
  /** The `error` of the challenge: `''` is a challenge without one; absent where there is no challenge. */
  readonly error?: string
  /** What the receipt stands for, where there is one. */
  readonly reason?: Reason
  /** What is broken at the issuer, before anything was loaded. */
  readonly outage?: 'jwks' | 'metadata'
}

const bearer =
  (token: (issuer: Issuer) => string) =>
  (issuer: Issuer): readonly string[] => [`Bearer ${token(issuer)}`]
const none = (): readonly string[] => []
const seconds = (): number => Math.floor(Date.now() / 1_000)

const ok = { status: 200 } as const
const bare = { status: 401, error: '' } as const
const malformed = { status: 400, error: 'invalid_request', reason: 'credentials.malformed' } as const
const multiple = { status: 400, error: 'invalid_request', reason: 'credentials.multiple' } as const
const badToken = (reason: Reason) => ({ status: 401, error: 'invalid_token', reason }) as const

/** A token with another member in its claims or header. */
const claims = (overrides: () => Record<string, unknown>) => bearer((issuer) => issuer.token(overrides()))
const header = (overrides: (issuer: Issuer) => Record<string, unknown>) =>
  bearer((issuer) => issuer.token({}, overrides(issuer)))

export const vectors: readonly Vector[] = [
  { title: 'takes a good token [RFC 6749 §7(a), RFC 6750 §2.1(a)]', authorization: bearer((i) => i.token()), ...ok },
  {
    title: 'takes the scheme in any case [RFC 9110 §11.1]',
    authorization: (i) => [`bEARER ${i.token()}`],
    ...ok,
  },
  {
    title: 'takes the long form of the type [RFC 9068 §4(a)]',
    authorization: header(() => ({ typ: 'application/AT+JWT' })),
    ...ok,
  },
  {
    title: 'refuses a JWT of no special type [RFC 9068 §4(a)]',
    authorization: header(() => ({ typ: 'JWT' })),
    ...badToken('token.type'),
  },
  {
    title: 'refuses a token without a type [RFC 9068 §4(a)]',
    authorization: header(() => ({ typ: undefined })),
    ...badToken('token.type'),
  },
  {
    title: 'refuses an ID token [RFC 9068 §4(a), RFC 8725 §3.11]',
    authorization: bearer((i) =>
      i.token({ nonce: 'n', client_id: undefined, jti: undefined, scope: undefined }, { typ: 'JWT' }),
    ),
    ...badToken('token.type'),
  },
  { title: 'names no error to a request without credentials [RFC 6750 §3.1(d)]', authorization: none, ...bare },
  { title: 'treats Basic as no credentials [RFC 6750 §3.1(d)]', authorization: () => ['Basic YTpi'], ...bare },
  {
    title: 'treats the scheme DPoP as no credentials [RFC 6750 §3.1(d)]',
    authorization: (i) => [`DPoP ${i.token()}`],
    ...bare,
  },
  { title: 'refuses the scheme alone [RFC 6750 §3.1(a)]', authorization: () => ['Bearer'], ...malformed },
  {
    title: 'refuses two tokens in one credential [RFC 6750 §3.1(a)]',
    authorization: (i) => [`Bearer ${i.token()} ${i.token()}`],
    ...malformed,
  },
  {
    title: 'refuses a token outside the grammar [RFC 6750 §2.1(c)]',
    authorization: (i) => [`Bearer "${i.token()}"`],
    ...malformed,
  },
  {
    title: 'refuses what is no token of ours [RFC 9068 §4(h)]',
    authorization: () => ['Bearer garbage'],
    ...badToken('token.malformed'),
  },
  {
    title: 'refuses an altered token [RFC 6750 §5.2(b), RFC 9068 §4(d)]',
    authorization: bearer((i) => withPayload(i.token(), i.claims({ sub: 'admin' }))),
    ...badToken('token.signature'),
  },
  {
    title: 'refuses a signature of another key under a known kid [RFC 9068 §4(f)]',
    authorization: bearer((i) => i.token({}, {}, makeKey('ES256', i.key.kid))),
    ...badToken('token.signature'),
  },
  {
    title: 'refuses a token for another resource [RFC 9068 §4(c)]',
    authorization: claims(() => ({ aud: 'https://other.example.com' })),
    ...badToken('token.audience'),
  },
  {
    title: 'compares the audience as bytes: a final slash is another resource [RFC 9068 §4(c)]',
    authorization: claims(() => ({ aud: 'https://api.example.com/' })),
    ...badToken('token.audience'),
  },
  {
    title: 'takes one audience among several [RFC 9068 §4(c)]',
    authorization: claims(() => ({ aud: ['https://other.example.com', 'https://api.example.com'] })),
    ...ok,
  },
  {
    title: 'refuses a token of another issuer [RFC 9068 §4(b)]',
    authorization: claims(() => ({ iss: 'https://as.example.org' })),
    ...badToken('token.issuer'),
  },
  {
    title: 'compares the issuer as bytes: a final slash is another issuer [RFC 9068 §4(b)]',
    authorization: bearer((i) => i.token({ iss: `${i.issuer}/` })),
    ...badToken('token.issuer'),
  },
  {
    title: 'refuses a key that the issuer does not publish [RFC 9068 §4(f)]',
    authorization: bearer((i) => i.token({}, {}, makeKey())),
    ...badToken('token.key_unknown'),
  },
  {
    title: 'refuses a token without kid [RFC 9068 §4(f)]',
    authorization: header(() => ({ kid: undefined })),
    ...badToken('token.key_unknown'),
  },
  {
    title: 'refuses an expired token [RFC 9068 §4(g), RFC 6749 §7(b)]',
    authorization: claims(() => ({ exp: seconds() - 60 })),
    ...badToken('token.expired'),
  },
  {
    title: 'takes a token that expired 3 s ago: clocks differ [RFC 7519 §4.1.4]',
    authorization: claims(() => ({ exp: seconds() - 3 })),
    ...ok,
  },
  {
    title: 'takes a token issued 3 s ahead: clocks differ [RFC 7519 §4.1.6]',
    authorization: claims(() => ({ iat: seconds() + 3 })),
    ...ok,
  },
  {
    title: 'takes a token valid from 3 s ahead: clocks differ [RFC 7519 §4.1.5]',
    authorization: claims(() => ({ nbf: seconds() + 3 })),
    ...ok,
  },
  {
    title: 'refuses a token issued a minute ahead [RFC 7519 §4.1.6]',
    authorization: claims(() => ({ iat: seconds() + 60 })),
    ...badToken('token.issued_in_future'),
  },
  {
    title: 'refuses a token without audience [RFC 9068 §4(c)]',
    authorization: claims(() => ({ aud: undefined })),
    ...badToken('token.audience'),
  },
  {
    title: 'refuses a token without issuer [RFC 9068 §4(b)]',
    authorization: claims(() => ({ iss: undefined })),
    ...badToken('token.issuer'),
  },
  {
    title: 'refuses a token without expiry [RFC 9068 §4(g)]',
    authorization: claims(() => ({ exp: undefined })),
    ...badToken('token.claim_invalid'),
  },
  {
    title: 'refuses a token without client_id [RFC 9068 §4(i)]',
    authorization: claims(() => ({ client_id: undefined })),
    ...badToken('token.claim_invalid'),
  },
  {
    title: 'refuses the algorithm none [RFC 9068 §4(e)]',
    authorization: bearer((i) => unsigned({ alg: 'none', kid: i.key.kid, typ: 'at+jwt' }, i.claims())),
    ...badToken('token.algorithm'),
  },
  {
    title: 'refuses HS256 with the public key as its secret [RFC 8725 §2.1, RFC 9068 §4(d)]',
    authorization: bearer((i) =>
      withHmac(
        { alg: 'HS256', kid: i.key.kid, typ: 'at+jwt' },
        i.claims(),
        i.key.publicKey.export({ type: 'spki', format: 'pem' }),
      ),
    ),
    ...badToken('token.algorithm'),
  },
  {
    title: 'refuses an extension that it does not know [RFC 7515 §4.1.11]',
    authorization: header(() => ({ crit: ['exp'], exp: 1 })),
    ...badToken('token.malformed'),
  },
  {
    title: 'asks for the scope that is lacking [RFC 6750 §3.1(c), RFC 6749 §7(c), RFC 9068 §4(o)]',
    authorization: bearer((i) => i.token()),
    scope: 'write',
    status: 403,
    error: 'insufficient_scope',
    reason: 'token.scope',
  },
  {
    title: 'refuses a token bound to a key without proof of it [RFC 9449 §7.1]',
    authorization: claims(() => ({ cnf: { jkt: 'thumbprint' } })),
    ...badToken('token.sender_constrained'),
  },
  {
    title: 'refuses a token bound to a certificate [RFC 8705 §3]',
    authorization: claims(() => ({ cnf: { 'x5t#S256': 'thumbprint' } })),
    ...badToken('token.sender_constrained'),
  },
  {
    title: 'looks for no token in the query [RFC 6750 §2.1(a)]',
    authorization: none,
    query: (i) => `?access_token=${i.token()}`,
    ...bare,
  },
  {
    title: 'looks for no token in the body [RFC 6750 §2.1(a)]',
    authorization: none,
    body: (i) => `access_token=${i.token()}`,
    ...bare,
  },
  {
    title: 'refuses a token in header and query [RFC 6750 §2]',
    authorization: bearer((i) => i.token()),
    query: (i) => `?a=1&access%5Ftoken=${i.token()}`,
    ...multiple,
  },
  {
    title: 'refuses two Authorization headers [RFC 6750 §2]',
    authorization: (i) => [`Bearer ${i.token()}`, `Bearer ${i.token()}`],
    ...multiple,
  },
  {
    title: 'refuses a Bearer header behind a Basic one [RFC 6750 §2]',
    authorization: (i) => ['Basic YTpi', `Bearer ${i.token()}`],
    ...multiple,
  },
  {
    title: 'refuses two credentials in one header [RFC 6750 §2]',
    authorization: (i) => [`Bearer ${i.token()}, Bearer ${i.token()}`],
    ...multiple,
  },
  {
    title: 'cannot decide while the keys cannot be loaded [RFC 9110 §15.6.4]',
    authorization: bearer((i) => i.token()),
    outage: 'jwks',
    status: 503,
    reason: 'keys.unavailable',
  },
  {
    title: 'cannot decide while the metadata cannot be read [RFC 9110 §15.6.4]',
    authorization: bearer((i) => i.token()),
    outage: 'metadata',
    status: 503,
    reason: 'keys.unavailable',
  },
]

function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function withPayload(token: string, payload: unknown): string {
  const [head, , signature] = token.split('.')
  return `${head}.${encode(payload)}.${signature}`
}

export function unsigned(head: unknown, payload: unknown): string {
  return `${encode(head)}.${encode(payload)}.`
}

export function withHmac(head: unknown, payload: unknown, secret: string | Buffer): string {
  const input = `${encode(head)}.${encode(payload)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
