// RFC 6750: Bearer Token Usage, asked of the protected resource at API_URL.
import { expect } from 'vitest'
import { type Challenge, parameterOf, readChallenges } from './driver/challenge.ts'
import { clientToken, confidential } from './driver/client.ts'
import { altered, userTokensWithRefresh, userVariables } from './driver/flow.ts'
import { type Answer, send } from './driver/http.ts'
import { scenario } from './driver/scenario.ts'

const caller = ['API_URL', 'CLIENT_ID', 'CLIENT_SECRET', 'SCOPE'] as const

function call(url: string, authorization?: string | string[]): Promise<Answer> {
  return send(url, authorization === undefined ? {} : { headers: { authorization } })
}

/** The Bearer challenge of a refusal, after a look at its form. RFC 6750 §3 */
function challengeOf(answer: Answer): Challenge {
  const challenge = readChallenges(answer.headers.get('www-authenticate')).find(({ scheme }) => scheme === 'bearer')
  if (challenge === undefined) throw new Error(`${answer.status} without a Bearer challenge`)
  expect(challenge.parameters.length).toBeGreaterThan(0)
  const names = challenge.parameters.map(([name]) => name)
  expect(new Set(names).size).toBe(names.length)
  const [scope, error, description, uri] = ['scope', 'error', 'error_description', 'error_uri'].map((name) =>
    parameterOf(challenge, name),
  )
  if (scope !== undefined) expect(scope).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/)
  for (const text of [error, description])
    if (text !== undefined) expect(text).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
  if (uri !== undefined) expect(URL.canParse(uri)).toBe(true)
  return challenge
}

scenario('lets a token in that is for this API and has its scope [RFC 6750 §2.1(a)]', caller, async (env) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
  const answer = await call(env.API_URL, `Bearer ${accessToken}`)
  expect(answer.status, answer.text).toBe(200)
})

scenario('reads the scheme in any case [RFC 9110 §11.1]', caller, async (env) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
  for (const scheme of ['bearer', 'BEARER']) {
    expect((await call(env.API_URL, `${scheme} ${accessToken}`)).status).toBe(200)
  }
})

scenario(
  'asks for a Bearer token where there is none, and names no error [RFC 6750 §3(a)(b)(c)(d)(e)(f), RFC 6750 §3.1(d)]',
  ['API_URL'],
  async (env) => {
    const answer = await call(env.API_URL)
    expect(answer.status).toBe(401)
    expect(parameterOf(challengeOf(answer), 'error')).toBeUndefined()
  },
)

scenario(
  'asks for a Bearer token where there is another credential [RFC 6750 §3(a)(b)(c)]',
  ['API_URL'],
  async (env) => {
    for (const authorization of ['Basic dTpw', 'Token x', 'Negotiate']) {
      const answer = await call(env.API_URL, authorization)
      expect([400, 401]).toContain(answer.status)
      challengeOf(answer)
    }
  },
)

for (const authorization of [
  'Bearer',
  'Bearer ',
  'Bearer a b',
  'Bearer "quoted"',
  'Bearer a,b',
  'Bearer é',
  'Bearer\ttab',
]) {
  scenario(
    `refuses the malformed ${JSON.stringify(authorization)} [RFC 6750 §3(a)(b)(c)(h)(i), RFC 6750 §3.1(a)]`,
    ['API_URL'],
    async (env) => {
      const answer = await call(env.API_URL, Buffer.from(authorization).toString('latin1'))
      expect([400, 401]).toContain(answer.status)
      const error = parameterOf(challengeOf(answer), 'error')
      if (answer.status === 400) expect(error).toBe('invalid_request')
    },
  )
}

const wrongTokens: readonly (readonly [what: string, change: (token: string) => string])[] = [
  ['that nobody issued', () => 'never-issued'],
  ['with another end', altered],
  ['with another middle', (token) => altered(token.slice(0, token.length / 2)) + token.slice(token.length / 2)],
  ['with another beginning', (token) => `A${token.slice(1)}`],
  ['cut short', (token) => token.slice(0, -8)],
  ['with more behind it', (token) => `${token}.x`],
  ['with padding', (token) => `${token}==`],
]
for (const [what, change] of wrongTokens) {
  scenario(`refuses a token ${what} as invalid_token [RFC 6750 §5.2(b), RFC 6750 §3.1(b)]`, caller, async (env) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
    const answer = await call(env.API_URL, `Bearer ${change(accessToken)}`)
    expect(answer.status, answer.text).toBe(401)
    expect(parameterOf(challengeOf(answer), 'error')).toBe('invalid_token')
  })
}

scenario(
  'refuses a token for another API as invalid_token [RFC 6750 §3.1(b), RFC 9068 §4(c)]',
  [...caller, 'AUDIENCE2', 'SCOPE2'],
  async (env) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), {
      resource: env.AUDIENCE2,
      scope: env.SCOPE2,
    })
    const answer = await call(env.API_URL, `Bearer ${accessToken}`)
    expect(answer.status, answer.text).toBe(401)
    expect(parameterOf(challengeOf(answer), 'error')).toBe('invalid_token')
  },
)

scenario(
  'refuses a token without its scope as insufficient_scope, and names the scope [RFC 6749 §7(c), RFC 6750 §3(g), RFC 6750 §3.1(c)]',
  [...caller, 'SCOPE_WRITE'],
  async (env) => {
    const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE_WRITE })
    const answer = await call(env.API_URL, `Bearer ${accessToken}`)
    expect(answer.status, answer.text).toBe(403)
    const challenge = challengeOf(answer)
    expect(parameterOf(challenge, 'error')).toBe('insufficient_scope')
    const named = parameterOf(challenge, 'scope')
    if (named !== undefined) expect(named.split(' ')).toContain(env.SCOPE)
  },
)

scenario('refuses a refresh token [RFC 6750 §3.1(b)]', [...caller, ...userVariables], async (env) => {
  const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
  const answer = await call(env.API_URL, `Bearer ${refreshToken}`)
  expect(answer.status, answer.text).toBe(401)
  challengeOf(answer)
})

scenario('refuses one token in the header and one in the query [RFC 6750 §2]', caller, async (env) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
  const url = new URL(env.API_URL)
  url.searchParams.set('access_token', accessToken)
  const answer = await call(url.href, `Bearer ${accessToken}`)
  expect(answer.status, answer.text).toBe(400)
  expect(parameterOf(challengeOf(answer), 'error')).toBe('invalid_request')
})

scenario('refuses two Authorization headers [RFC 6750 §2]', caller, async (env) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
  const answer = await call(env.API_URL, [`Bearer ${accessToken}`, 'Bearer another'])
  expect([400, 401], answer.text).toContain(answer.status)
})

scenario('repeats no token in what it answers [RFC 6750 §5.1]', caller, async (env) => {
  const { accessToken } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
  const token = altered(accessToken)
  const answer = await call(env.API_URL, `Bearer ${token}`)
  expect(answer.text + [...answer.headers.values()].join('\n')).not.toContain(token)
})
