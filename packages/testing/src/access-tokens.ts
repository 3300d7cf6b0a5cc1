import type { AuthorizationServer } from '@arctos/authorization-server'
import type { Registration, TestCredential } from './registration.ts'
import { makeTestKey, type Overrides, signAnything, type TestKey } from './signing.ts'
import type { TestClock } from './test-clock.ts'
import { issueToken, type TokenOrder } from './token-order.ts'

/** Issues access tokens: called, a good one; its methods give one that is wrong in one respect. */
export interface AccessTokens {
  (order?: TokenOrder): Promise<string>
  /** For another API. */
  readonly wrongAudience: (order?: TokenOrder) => Promise<string>
  /** Of another issuer, signed by this one. */
  readonly wrongIssuer: (order?: TokenOrder) => Promise<string>
  /** Over since two minutes. */
  readonly expired: (order?: TokenOrder) => Promise<string>
  /** Valid in two minutes only. */
  readonly notYetValid: (order?: TokenOrder) => Promise<string>
  /** Signed by a key that the server does not publish, under the name of its own. */
  readonly wrongSignature: (order?: TokenOrder) => Promise<string>
  /** Signed by a key that the server does not publish, under a name of its own. */
  readonly unknownKey: (order?: TokenOrder) => Promise<string>
  /** A JWT that is no access token: `typ` is `JWT`, and it has a nonce. */
  readonly idToken: (order?: TokenOrder) => Promise<string>
  /** Bound to a key (RFC 9449), so it is none to be borne. */
  readonly senderConstrained: (order?: TokenOrder) => Promise<string>
}

export interface AccessTokenPorts {
  readonly server: AuthorizationServer
  readonly registration: Registration
  readonly clock: TestClock
  readonly signingKey: () => TestKey
}

const peer = { address: '127.0.0.1' }
const farSeconds = 120

export function createAccessTokens({ server, registration, clock, signingKey }: AccessTokenPorts): {
  readonly accessToken: AccessTokens
  readonly revoke: (token: string) => Promise<void>
} {
  const owners = new Map<string, TestCredential>()

  // Straight to the server: what a test puts out of order must not keep it from getting tokens.
  const post = async (path: string, form: Readonly<Record<string, string>>, credential: TestCredential) => {
    const { clientId: client_id, clientSecret: client_secret } = credential
    const body = new URLSearchParams({ ...form, client_id, client_secret })
    return server.handle(new Request(`${server.context.issuer}${path}`, { method: 'POST', body }), peer)
  }

  const issue = async (order: TokenOrder = {}, key?: TestKey): Promise<string> => {
    const { accessToken, credential } = await issueToken(server, registration, order, post)
    const { expiresIn, claims = {}, header = {} } = order
    const times = expiresIn === undefined ? {} : { exp: clock.seconds() + expiresIn }
    const changes = { ...times, ...claims }
    const isChanged = key !== undefined || [changes, header].some((each) => Object.keys(each).length > 0)
    const token = isChanged ? rewritten(accessToken, changes, header, key ?? signingKey()) : accessToken
    owners.set(token, credential)
    return token
  }
  const wrong =
    (changes: () => { readonly claims?: Overrides; readonly header?: Overrides; readonly key?: TestKey }) =>
    (order: TokenOrder = {}): Promise<string> => {
      const { claims, header, key } = changes()
      return issue({ ...order, claims: { ...claims, ...order.claims }, header: { ...header, ...order.header } }, key)
    }
  const stranger = (kid: string): TestKey => makeTestKey(signingKey().algorithm, kid)

  const accessToken = Object.assign((order?: TokenOrder) => issue(order), {
    wrongAudience: wrong(() => ({ claims: { aud: 'https://another-api.example.com' } })),
    wrongIssuer: wrong(() => ({ claims: { iss: 'https://another-as.example.com' } })),
    expired: wrong(() => {
      const exp = clock.seconds() - farSeconds
      return { claims: { exp, iat: exp - farSeconds } }
    }),
    notYetValid: wrong(() => ({ claims: { nbf: clock.seconds() + farSeconds } })),
    wrongSignature: wrong(() => ({ key: stranger(signingKey().kid) })),
    unknownKey: wrong(() => ({ key: stranger('a-key-that-nobody-published') })),
    idToken: wrong(() => ({ claims: { nonce: 'n', scope: undefined }, header: { typ: 'JWT' } })),
    senderConstrained: wrong(() => ({ claims: { cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } } })),
  })

  return {
    accessToken,
    async revoke(token) {
      const owner = owners.get(token)
      if (owner === undefined) throw new TypeError('revoke: this token is none that accessToken() gave')
      const { status } = await post('/revoke', { token }, owner)
      if (status !== 200) throw new Error(`the server did not revoke the token: ${status}`)
    },
  }
}

/** The same token with other members, signed anew. Throws a TypeError for an opaque one: it has none. */
function rewritten(token: string, claims: Overrides, header: Overrides, key: TestKey): string {
  const [head, payload, signature] = token.split('.')
  if (head === undefined || payload === undefined || signature === undefined) {
    throw new TypeError('accessToken: an opaque token has no claims and no header that could be changed')
  }
  const parts = [head, payload].map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Overrides)
  const named = { ...parts[0], alg: key.algorithm, kid: key.kid, ...header }
  return signAnything(named, JSON.stringify({ ...parts[1], ...claims }), key)
}
