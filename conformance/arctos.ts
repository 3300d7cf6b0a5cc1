// What Arctos promises beyond the specifications. Other servers may do otherwise and still conform.
import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { createBrowser } from './driver/browser.ts'
import { parameterOf, readChallenges } from './driver/challenge.ts'
import {
  type Client,
  clientToken,
  confidential,
  other,
  postAs,
  privateKeyJwt,
  publicClient,
  requestToken,
  resourceServer,
  resourceServer2,
  secretBasic,
  signAssertion,
  tokensOf,
} from './driver/client.ts'
import { expectError } from './driver/expectations.ts'
import {
  altered,
  authorizationForm,
  authorizationUrl,
  authorize,
  callbackOf,
  createProofKey,
  credentialsOf,
  obtainCode,
  redeem,
  refresh,
  sharedBrowser,
  userTokens,
  userTokensWithRefresh,
  userVariables,
} from './driver/flow.ts'
import { type JsonObject, jsonOf, postForm, send } from './driver/http.ts'
import { endpointOf, listOf, oauthMetadataUrl, openidMetadataUrl } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET'] as const
const app = ['PUBLIC_CLIENT_ID', ...userVariables] as const
const web = [...client, ...userVariables] as const
const api = ['RS_CLIENT_ID', 'RS_CLIENT_SECRET'] as const
const api2 = ['AUDIENCE2', 'SCOPE2', 'RS2_ID', 'RS2_SECRET'] as const
const keyed = ['PKJWT_CLIENT_ID', 'PKJWT_PRIVATE_JWK'] as const
const forItself = { grant_type: 'client_credentials' }

async function introspect(issuer: string, caller: Client, token: string): Promise<JsonObject> {
  return jsonOf(await postAs(caller, await endpointOf(issuer, 'introspection_endpoint'), { token }))
}

async function revoke(issuer: string, by: Client, token: string) {
  return await postAs(by, await endpointOf(issuer, 'revocation_endpoint'), { token })
}

describe('refresh', () => {
  for (const [kind, needs] of [
    ['confidential', web],
    ['public', app],
  ] as const) {
    const clientOf = (env: Readonly<Record<string, string>>) =>
      kind === 'public'
        ? publicClient(env['PUBLIC_CLIENT_ID'] ?? '')
        : secretBasic(env['CLIENT_ID'] ?? '', env['CLIENT_SECRET'] ?? '')

    scenario(`gives a ${kind} client that lost the answer the same successor again [Arctos]`, needs, async (env) => {
      const client = clientOf(env)
      const { refreshToken } = await userTokensWithRefresh(env, client)
      const [first, again] = [
        await refresh(env.ISSUER, client, refreshToken),
        await refresh(env.ISSUER, client, refreshToken),
      ].map(tokensOf)
      expect(again?.refreshToken).toBe(first?.refreshToken)
      tokensOf(await refresh(env.ISSUER, client, again?.refreshToken ?? ''))
    })

    scenario(`answers a ${kind} client 50 times at once with one successor [Arctos]`, needs, async (env) => {
      const client = clientOf(env)
      const { refreshToken } = await userTokensWithRefresh(env, client)
      const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(env.ISSUER, client, refreshToken)))
      const successors = new Set(answers.map((answer) => tokensOf(answer).refreshToken))
      expect(successors.size).toBe(1)
      expect(successors.has(refreshToken)).toBe(false)
    })

    scenario(
      `ends the grant of a ${kind} client when a token older than the last comes back [Arctos]`,
      needs,
      async (env) => {
        const client = clientOf(env)
        const { refreshToken: oldest } = await userTokensWithRefresh(env, client)
        const second = tokensOf(await refresh(env.ISSUER, client, oldest)).refreshToken ?? ''
        const third = tokensOf(await refresh(env.ISSUER, client, second)).refreshToken ?? ''
        expectError(await refresh(env.ISSUER, client, oldest), 'invalid_grant')
        expectError(await refresh(env.ISSUER, client, third), 'invalid_grant')
      },
    )
  }

  scenario(
    'ends only the grant that was misused, not others of the same user and client [Arctos]',
    app,
    async (env) => {
      const client = publicClient(env.PUBLIC_CLIENT_ID)
      const [one, another] = [await userTokensWithRefresh(env, client), await userTokensWithRefresh(env, client)]
      const second = tokensOf(await refresh(env.ISSUER, client, one.refreshToken)).refreshToken ?? ''
      tokensOf(await refresh(env.ISSUER, client, second))
      expectError(await refresh(env.ISSUER, client, one.refreshToken), 'invalid_grant')
      tokensOf(await refresh(env.ISSUER, client, another.refreshToken))
    },
  )

  scenario(
    'refuses a scope beyond the grant without spending the token [Arctos]',
    [...web, 'SCOPE_WRITE'],
    async (env) => {
      const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
      expectError(
        await refresh(env.ISSUER, confidential(env), refreshToken, { scope: env.SCOPE_WRITE }),
        'invalid_scope',
      )
      tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
    },
  )

  scenario('gives a refresh token for offline_access, and else none [Arctos]', [...web, 'SCOPE'], async (env) => {
    expect(env.USER_SCOPE.split(' ')).toContain('offline_access')
    expect((await userTokens(env, confidential(env))).refreshToken).toMatch(/\S/)
    expect((await userTokens(env, confidential(env), { scope: env.SCOPE })).refreshToken).toBeUndefined()
  })

  scenario('gives a client no refresh token for itself [Arctos, RFC 6749 §4.4.3]', client, async (env) => {
    expect((await clientToken(env.ISSUER, confidential(env))).refreshToken).toBeUndefined()
  })

  scenario(
    'tells a client of its own refresh token, and a resource server of none [Arctos]',
    [...web, ...api],
    async (env) => {
      const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
      expect((await introspect(env.ISSUER, confidential(env), refreshToken))['active']).toBe(true)
      expect(await introspect(env.ISSUER, resourceServer(env), refreshToken)).toEqual({ active: false })
    },
  )
})

describe('codes', () => {
  scenario(
    'ends what a code gave when it is redeemed again [Arctos, RFC 6749 §4.1.2(a)(g)]',
    [...web, ...api],
    async (env) => {
      const code = await obtainCode(env, env.CLIENT_ID)
      const { accessToken, refreshToken = '' } = tokensOf(await redeem(env.ISSUER, confidential(env), code))
      expect((await introspect(env.ISSUER, resourceServer(env), accessToken))['active']).toBe(true)
      expectError(await redeem(env.ISSUER, confidential(env), code), 'invalid_grant')
      expect(await introspect(env.ISSUER, resourceServer(env), accessToken)).toEqual({ active: false })
      expectError(await refresh(env.ISSUER, confidential(env), refreshToken), 'invalid_grant')
    },
  )

  scenario(
    'lets nobody who only read a code end what it gave [Arctos]',
    [...web, 'CLIENT2_ID', 'CLIENT2_SECRET'],
    async (env) => {
      const code = await obtainCode(env, env.CLIENT_ID)
      const { refreshToken = '' } = tokensOf(await redeem(env.ISSUER, confidential(env), code))
      const guess = { code_verifier: createProofKey().verifier }
      expectError(await redeem(env.ISSUER, confidential(env), code, guess), 'invalid_grant')
      expectError(await redeem(env.ISSUER, other(env), code), 'invalid_grant')
      tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
    },
  )

  scenario('does not spend a code on a failed exchange [Arctos]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    const guess = { code_verifier: createProofKey().verifier }
    expectError(await redeem(env.ISSUER, confidential(env), code, guess), 'invalid_grant')
    expectError(
      await redeem(env.ISSUER, confidential(env), code, { redirect_uri: 'https://evil.example' }),
      'invalid_grant',
    )
    tokensOf(await redeem(env.ISSUER, confidential(env), code))
  })

  scenario('spends a code on ten failed exchanges [Arctos]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    for (let failure = 0; failure < 10; failure++) {
      await redeem(env.ISSUER, confidential(env), code, { code_verifier: createProofKey().verifier })
    }
    expectError(await redeem(env.ISSUER, confidential(env), code), 'invalid_grant')
  })

  scenario(
    'answers unknown, spent and foreign codes with the same words [Arctos]',
    [...web, 'CLIENT2_ID', 'CLIENT2_SECRET'],
    async (env) => {
      const code = await obtainCode(env, env.CLIENT_ID)
      const foreign = await redeem(env.ISSUER, other(env), code)
      tokensOf(await redeem(env.ISSUER, confidential(env), code))
      const spent = await redeem(env.ISSUER, confidential(env), code)
      const unknown = await redeem(env.ISSUER, confidential(env), { ...code, code: altered(code.code) })
      const words = [foreign, spent, unknown].map((answer) => ({ ...jsonOf(answer), error_uri: answer.status }))
      expect(words[1]).toEqual(words[0])
      expect(words[2]).toEqual(words[0])
    },
  )
})

describe('tokens', () => {
  for (const [kind, format] of [
    ['JWT', /^[\w-]+\.[\w-]+\.[\w-]+$/],
    ['opaque', /^arctos_(test_)?at_\w+$/],
  ] as const) {
    scenario(`describes and takes back ${kind} access tokens [Arctos]`, [...client, ...api, ...api2], async (env) => {
      const form: Record<string, string> = kind === 'JWT' ? {} : { resource: env.AUDIENCE2, scope: env.SCOPE2 }
      const caller = kind === 'JWT' ? resourceServer(env) : resourceServer2(env)
      const { accessToken } = await clientToken(env.ISSUER, confidential(env), form)
      expect(accessToken).toMatch(format)
      const facts = await introspect(env.ISSUER, caller, accessToken)
      expect(facts).toMatchObject({ active: true, iss: env.ISSUER, client_id: env.CLIENT_ID, token_type: 'Bearer' })
      for (const name of ['sub', 'jti', 'aud', 'scope']) expect(facts[name], name).toMatch(/\S/)
      expect((await revoke(env.ISSUER, confidential(env), accessToken)).status).toBe(200)
      expect(await introspect(env.ISSUER, caller, accessToken)).toEqual({ active: false })
    })
  }

  scenario(
    'shows a client its own tokens, and no other [Arctos]',
    [...client, 'CLIENT2_ID', 'CLIENT2_SECRET'],
    async (env) => {
      const { accessToken } = await clientToken(env.ISSUER, confidential(env))
      expect((await introspect(env.ISSUER, confidential(env), accessToken))['active']).toBe(true)
      expect(await introspect(env.ISSUER, other(env), accessToken)).toEqual({ active: false })
    },
  )

  scenario(
    'names the grant in a token, in its description and after a refresh [Arctos]',
    [...web, ...api],
    async (env) => {
      const { accessToken, refreshToken } = await userTokensWithRefresh(env, confidential(env))
      const next = tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken)).accessToken
      const grant = decodeJwt(accessToken)['grant_id']
      expect(grant).toMatch(/\S/)
      expect(decodeJwt(next)['grant_id']).toBe(grant)
      expect((await introspect(env.ISSUER, resourceServer(env), next))['grant_id']).toBe(grant)
    },
  )

  scenario('answers a revocation with JSON, whatever was revoked [Arctos]', client, async (env) => {
    for (const token of ['never-issued', (await clientToken(env.ISSUER, confidential(env))).accessToken]) {
      expect(jsonOf(await revoke(env.ISSUER, confidential(env), token))).toEqual({})
    }
  })

  scenario(
    'takes a resource with and without a slash for one, and writes it as registered [Arctos]',
    [...client, 'AUDIENCE'],
    async (env, context) => {
      const { origin } = new URL(env.AUDIENCE)
      if (env.AUDIENCE !== origin) context.skip('AUDIENCE has a path')
      const { accessToken } = await clientToken(env.ISSUER, confidential(env), { resource: `${env.AUDIENCE}/` })
      expect(decodeJwt(accessToken).aud).toBe(env.AUDIENCE)
    },
  )
})

describe('requests', () => {
  scenario('says which scope it gives where none was asked for [Arctos]', client, async (env) => {
    expect((await clientToken(env.ISSUER, confidential(env))).scope).toMatch(/\S/)
  })

  scenario('takes a user through without scope [Arctos]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { scope: undefined })
    expect(callbackOf(await authorize(env, form), env.REDIRECT_URI).has('code')).toBe(true)
  })

  scenario('asks for a challenge of confidential clients as well [Arctos]', web, async (env) => {
    const changes = { code_challenge: undefined, code_challenge_method: undefined }
    const form = authorizationForm(env, env.CLIENT_ID, createProofKey(), changes)
    expect(callbackOf(await authorize(env, form), env.REDIRECT_URI).get('error')).toBe('invalid_request')
  })

  scenario('neither advertises nor grants openid [Arctos]', [...web, 'SCOPE'], async (env) => {
    expect(await listOf(env.ISSUER, 'scopes_supported')).not.toContain('openid')
    const form = authorizationForm(env, env.CLIENT_ID, createProofKey(), { scope: `openid ${env.SCOPE}` })
    const callback = callbackOf(await authorize(env, form), env.REDIRECT_URI)
    expect(callback.get('error')).toBe('invalid_scope')
  })

  scenario('sends users to any port of a loopback address [Arctos, RFC 8252 §7.3]', app, async (env, context) => {
    const url = new URL(env.REDIRECT_URI)
    if (!['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) context.skip('REDIRECT_URI is not on loopback')
    url.port = '49152'
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { redirect_uri: url.href })
    expect(callbackOf(await authorize(env, form), url.href).has('code')).toBe(true)
  })

  scenario(
    'asks a user again for a public client, and not for a confidential one [Arctos]',
    [...web, 'PUBLIC_CLIENT_ID'],
    async (env) => {
      await obtainCode(env, env.CLIENT_ID)
      await obtainCode(env, env.PUBLIC_CLIENT_ID)
      const request = async (id: string) =>
        await authorizationUrl(env.ISSUER, authorizationForm(env, id, createProofKey()))
      expect((await sharedBrowser(env).visit(await request(env.CLIENT_ID))).left?.searchParams.has('code')).toBe(true)
      expect((await sharedBrowser(env).visit(await request(env.PUBLIC_CLIENT_ID))).left).toBeUndefined()
    },
  )

  scenario('tells a client that may not ask the user that nobody is signed in [Arctos]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { prompt: 'none' })
    const visit = await createBrowser(env.REDIRECT_URI).visit(await authorizationUrl(env.ISSUER, form))
    expect(callbackOf(visit, env.REDIRECT_URI).get('error')).toBe('login_required')
  })

  scenario('takes one answer for each time that it asked [Arctos]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey())
    const asked = await sharedBrowser(env).visit(await authorizationUrl(env.ISSUER, form), {
      signIn: credentialsOf(env),
    })
    if (asked.form === undefined) throw new Error('no form that asks for consent')
    const [first, second] = [
      await sharedBrowser(env).submit(asked.last, asked.form, { decision: 'approve' }),
      await sharedBrowser(env).submit(asked.last, asked.form, { decision: 'approve' }),
    ]
    expect(callbackOf(first, env.REDIRECT_URI).has('code')).toBe(true)
    expect(second.left).toBeUndefined()
  })

  const tooMuch = [
    ['65 KiB', `grant_type=client_credentials&x=${'x'.repeat(65 * 1_024)}`, 413],
    [
      '101 parameters',
      `grant_type=client_credentials${'&x=1'.repeat(101).replaceAll('x', () => `x${Math.random()}`)}`,
      413,
    ],
    ['bytes that are not UTF-8', 'grant_type=client_credentials&scope=%ff', 400],
    ['a control character', 'grant_type=client_credentials&scope=a%00b', 400],
  ] as const
  for (const [what, body, status] of tooMuch) {
    scenario(`refuses a form with ${what} [Arctos]`, client, async (env) => {
      const { headers = {} } = await confidential(env).credentials()
      const type = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await send(await endpointOf(env.ISSUER, 'token_endpoint'), {
        method: 'POST',
        headers: { ...headers, ...type },
        body,
      })
      expect(answer.status, answer.text).toBe(status)
      expectError(answer, 'invalid_request')
    })
  }

  scenario('says which methods an endpoint takes [Arctos]', [], async (env) => {
    for (const name of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint'] as const) {
      const answer = await send(await endpointOf(env.ISSUER, name))
      expect(answer.status).toBe(405)
      expect(answer.headers.get('allow')).toContain('POST')
    }
  })
})

describe('assertions', () => {
  scenario('takes an assertion for the issuer alone [Arctos, RFC 10070]', keyed, async (env) => {
    const endpoint = await endpointOf(env.ISSUER, 'token_endpoint')
    for (const aud of [endpoint, [env.ISSUER], [env.ISSUER, endpoint], `${env.ISSUER}/`]) {
      const client = privateKeyJwt(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER, { aud })
      expectError(await requestToken(env.ISSUER, client, forItself), 'invalid_client')
    }
  })

  scenario('takes an assertion once [Arctos, RFC 7523 §3]', keyed, async (env) => {
    const client_assertion = await signAssertion(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER)
    const client = privateKeyJwt(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER)
    tokensOf(await requestToken(env.ISSUER, client, { ...forItself, client_assertion }))
    expectError(await requestToken(env.ISSUER, client, { ...forItself, client_assertion }), 'invalid_client')
  })

  scenario(
    'takes one assertion once, also when it comes 20 times at once [Arctos, RFC 7523 §3]',
    keyed,
    async (env) => {
      const client_assertion = await signAssertion(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER)
      const client = privateKeyJwt(env.PKJWT_CLIENT_ID, env.PKJWT_PRIVATE_JWK, env.ISSUER)
      const once = () => requestToken(env.ISSUER, client, { ...forItself, client_assertion })
      const answers = await Promise.all(Array.from({ length: 20 }, once))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    },
  )
})

describe('answers', () => {
  scenario('gives a receipt with every error, and its address [Arctos]', client, async (env) => {
    const answer = await requestToken(env.ISSUER, confidential(env), { ...forItself, scope: 'no-such-scope' })
    const receipt = answer.headers.get('arctos-receipt') ?? ''
    expect(receipt).toMatch(/^[\w-]{20,}$/)
    const { error_uri } = jsonOf(answer)
    expect(error_uri).toContain(receipt)
    expect((await send(String(error_uri))).status).toBe(200)
  })

  scenario(
    'hides no receipt in an inactive description, nor in a bare challenge [Arctos]',
    [...api, 'API_URL'],
    async (env) => {
      expect(await introspect(env.ISSUER, resourceServer(env), 'never-issued')).toEqual({ active: false })
      const challenge = readChallenges((await send(env.API_URL)).headers.get('www-authenticate'))[0]
      expect(challenge?.parameters.map(([name]) => name).sort()).toEqual(['resource_metadata', 'scope'])
    },
  )

  scenario('answers an unknown client and a wrong secret with the same words [Arctos]', client, async (env) => {
    const wrong = await requestToken(env.ISSUER, secretBasic(env.CLIENT_ID, altered(env.CLIENT_SECRET)), forItself)
    const unknown = await requestToken(env.ISSUER, secretBasic('nobody', altered(env.CLIENT_SECRET)), forItself)
    expect({ ...jsonOf(unknown), error_uri: '' }).toEqual({ ...jsonOf(wrong), error_uri: '' })
    expect(unknown.status).toBe(wrong.status)
  })

  scenario('says the same whatever Host a request names [Arctos]', [], async (env) => {
    const plain = await send(oauthMetadataUrl(env.ISSUER))
    const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
    expect((await send(oauthMetadataUrl(env.ISSUER), { headers })).text).toBe(plain.text)
  })

  scenario('serves one metadata document at both addresses [Arctos]', [], async (env) => {
    const [oauth, openid] = await Promise.all([send(oauthMetadataUrl(env.ISSUER)), send(openidMetadataUrl(env.ISSUER))])
    expect(openid.text).toBe(oauth.text)
  })

  scenario('says of every key what it is for [Arctos]', [], async (env) => {
    const keys = jsonOf(await send(await endpointOf(env.ISSUER, 'jwks_uri')))['keys'] as JsonObject[]
    for (const key of keys) expect(key).toMatchObject({ kid: expect.any(String), alg: expect.any(String), use: 'sig' })
  })

  scenario('leads an API caller to scope and metadata from a challenge [Arctos]', ['API_URL', 'SCOPE'], async (env) => {
    const challenge = readChallenges((await send(env.API_URL)).headers.get('www-authenticate'))[0]
    expect(parameterOf(challenge, 'scope')).toBe(env.SCOPE)
    expect(parameterOf(challenge, 'resource_metadata')).toMatch(/\/\.well-known\/oauth-protected-resource/)
  })
})

describe('pages', () => {
  scenario('are plain forms without scripts, kept by no cache and named by no referrer [Arctos]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey())
    const user = { signIn: credentialsOf(env) }
    const { answers } = await createBrowser(env.REDIRECT_URI).visit(await authorizationUrl(env.ISSUER, form), user)
    const pages = answers.filter(({ status }) => status === 200)
    expect(pages).toHaveLength(2)
    for (const { headers, text } of pages) {
      expect(text).not.toMatch(/<script\b|\son\w+=|javascript:/i)
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/)
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('cache-control')).toContain('no-store')
    }
  })

  scenario('set cookies that only the server sees, bound to TLS and host off loopback [Arctos]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey())
    const user = { signIn: credentialsOf(env) }
    const { answers } = await createBrowser(env.REDIRECT_URI).visit(await authorizationUrl(env.ISSUER, form), user)
    const cookies = answers.flatMap(({ headers }) => headers.getSetCookie())
    expect(cookies.length).toBeGreaterThan(0)
    for (const cookie of cookies) {
      expect(cookie).toMatch(/; HttpOnly/i)
      expect(cookie).toMatch(/; SameSite=(Lax|Strict)/i)
      const isPlain = env.ISSUER.startsWith('http:')
      expect(/^__Host-/.test(cookie), cookie).toBe(!isPlain)
      expect(/; Secure/i.test(cookie), cookie).toBe(!isPlain)
    }
  })

  scenario('take no form that another site sent [Arctos, RFC 6749 §10.12(a)]', app, async (env) => {
    const url = await authorizationUrl(env.ISSUER, authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey()))
    const { form } = await sharedBrowser(env).visit(url, { signIn: credentialsOf(env) })
    const target = new URL(form?.action ?? '', env.ISSUER).href
    const fields = Object.fromEntries((form?.fields ?? []).map(({ name, value }) => [name, value]))
    const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    const answer = await postForm(target, { ...fields, decision: 'approve' }, headers)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('location')).toBeNull()
  })
})
