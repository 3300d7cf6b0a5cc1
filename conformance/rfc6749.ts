// RFC 6749: The OAuth 2.0 Authorization Framework.
import { randomBytes } from 'node:crypto'
import { describe, expect } from 'vitest'
import { createBrowser, isDecision, isSignIn } from './driver/browser.ts'
import {
  clientToken,
  confidential,
  other,
  postAs,
  privateKeyJwt,
  publicClient,
  requestToken,
  secretBasic,
  secretPost,
  tokensOf,
} from './driver/client.ts'
import { expectError, expectErrorMembers, expectNoStore, expectNoToken } from './driver/expectations.ts'
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
import { jsonOf, pairsOf, postForm, send } from './driver/http.ts'
import { endpointOf, listOf } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const client = ['CLIENT_ID', 'CLIENT_SECRET'] as const
const client2 = ['CLIENT2_ID', 'CLIENT2_SECRET'] as const
const app = ['PUBLIC_CLIENT_ID', ...userVariables] as const
const web = [...client, ...userVariables] as const
const forItself = { grant_type: 'client_credentials' }

describe('client authentication', () => {
  scenario('takes a secret by HTTP Basic [RFC 6749 §2.3.1(a), RFC 6749 §4.4.2(a)]', client, async (env) => {
    const tokens = await clientToken(env.ISSUER, confidential(env))
    expect(tokens.accessToken).not.toBe('')
  })

  scenario(
    'decodes what a client form-encoded in HTTP Basic [RFC 6749 §2.3.1(a), RFC 6749 §B]',
    client,
    async (env) => {
      const escapeAll = (text: string) =>
        [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
      const value = Buffer.from(`${escapeAll(env.CLIENT_ID)}:${escapeAll(env.CLIENT_SECRET)}`).toString('base64')
      const url = await endpointOf(env.ISSUER, 'token_endpoint')
      const answer = await postForm(url, forItself, { authorization: `Basic ${value}` })
      expect(answer.status, answer.text).toBe(200)
    },
  )

  scenario(
    'takes id and secret in the body, where it says so [RFC 6749 §2.3.1(b)(c)]',
    client,
    async (env, context) => {
      const methods = await listOf(env.ISSUER, 'token_endpoint_auth_methods_supported')
      if (!methods?.includes('client_secret_post')) context.skip('client_secret_post is not offered')
      const answer = await requestToken(env.ISSUER, secretPost(env.CLIENT_ID, env.CLIENT_SECRET), forItself)
      expect(answer.status, answer.text).toBe(200)
      const url = await endpointOf(env.ISSUER, 'token_endpoint')
      for (const half of [{ client_secret: env.CLIENT_SECRET }, { client_id: env.CLIENT_ID }]) {
        expectError(await postForm(url, { ...forItself, ...half }), 'invalid_client', 'invalid_request')
      }
    },
  )

  scenario(
    'takes a signed assertion for the client that it is from [RFC 6749 §2.3.2]',
    ['PKJWT_CLIENT_ID', 'PKJWT_PRIVATE_JWK', 'CLIENT_ID'],
    async (env) => {
      const { PKJWT_CLIENT_ID: id, PKJWT_PRIVATE_JWK: jwk, ISSUER: issuer } = env
      const answer = await requestToken(issuer, privateKeyJwt(id, jwk, issuer), forItself)
      expect(answer.status, answer.text).toBe(200)
      const asAnother = await requestToken(issuer, privateKeyJwt(id, jwk, issuer), {
        ...forItself,
        client_id: env.CLIENT_ID,
      })
      expectError(asAnother, 'invalid_client', 'invalid_request')
    },
  )

  scenario('refuses an identifier alone [RFC 6749 §2.2(a), RFC 6749 §3.2.1(a)]', client, async (env) => {
    expectError(await requestToken(env.ISSUER, publicClient(env.CLIENT_ID), forItself), 'invalid_client')
  })

  scenario('refuses a request without any client [RFC 6749 §3.2.1(a)]', [], async (env) => {
    const answer = await postForm(await endpointOf(env.ISSUER, 'token_endpoint'), forItself)
    expectError(answer, 'invalid_client', 'invalid_request')
  })

  scenario('answers a wrong secret in the header with 401 and a challenge [RFC 6749 §5.2(b)]', client, async (env) => {
    const answer = await requestToken(env.ISSUER, secretBasic(env.CLIENT_ID, altered(env.CLIENT_SECRET)), forItself)
    expectError(answer, 'invalid_client')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/^basic\b/i)
  })

  scenario('answers an unknown client in the header with 401 and a challenge [RFC 6749 §5.2(b)]', [], async (env) => {
    const answer = await requestToken(env.ISSUER, secretBasic('nobody-knows-this-client', 'x'), forItself)
    expectError(answer, 'invalid_client')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(/^basic\b/i)
  })

  scenario('refuses two authentications in one request [RFC 6749 §2.3(a)]', client, async (env) => {
    const url = await endpointOf(env.ISSUER, 'token_endpoint')
    const twice = { ...forItself, client_id: env.CLIENT_ID, client_secret: env.CLIENT_SECRET }
    expectError(await postAs(confidential(env), url, twice), 'invalid_request', 'invalid_client')
  })

  scenario('takes no credentials from the address [RFC 6749 §2.3.1(d)]', client, async (env) => {
    const url = new URL(await endpointOf(env.ISSUER, 'token_endpoint'))
    url.searchParams.set('client_id', env.CLIENT_ID)
    url.searchParams.set('client_secret', env.CLIENT_SECRET)
    expectNoToken(await postForm(url.href, forItself))
  })
})

describe('token endpoint', () => {
  scenario('gives a client a token for itself [RFC 6749 §5.1(a)(c)(d)]', client, async (env) => {
    const answer = await requestToken(env.ISSUER, confidential(env), forItself)
    expect(answer.status, answer.text).toBe(200)
    expectNoStore(answer)
    const { access_token, token_type } = jsonOf(answer)
    expect(access_token).toMatch(/^[\x20-\x7e]+$/)
    expect(String(token_type).toLowerCase()).toBe('bearer')
  })

  scenario('tells old caches, too, to keep no tokens [RFC 6749 §5.1(b)]', client, async (env) => {
    const answer = await requestToken(env.ISSUER, confidential(env), forItself)
    expect(answer.headers.get('pragma')).toBe('no-cache')
  })

  scenario('gives a public client no token for itself [RFC 6749 §4.4]', ['PUBLIC_CLIENT_ID'], async (env) => {
    expectError(await requestToken(env.ISSUER, publicClient(env.PUBLIC_CLIENT_ID), forItself))
  })

  scenario(
    'gives a scope that was asked for, or says which other [RFC 6749 §3.3(a)]',
    [...client, 'SCOPE'],
    async (env) => {
      const { scope } = await clientToken(env.ISSUER, confidential(env), { scope: env.SCOPE })
      expect(scope ?? env.SCOPE).toBe(env.SCOPE)
    },
  )

  scenario('without scope gives a default, or refuses [RFC 6749 §3.3(b)]', client, async (env) => {
    const answer = await requestToken(env.ISSUER, confidential(env), forItself)
    if (answer.status === 200) expect(jsonOf(answer)['scope'] ?? 'none').toMatch(/\S/)
    else expectError(answer, 'invalid_scope')
  })

  scenario('answers an unknown scope with invalid_scope, or leaves it out [RFC 6749 §3.3(a)]', client, async (env) => {
    const answer = await requestToken(env.ISSUER, confidential(env), { ...forItself, scope: 'no-such-scope' })
    if (answer.status === 200) expect(String(jsonOf(answer)['scope']).split(' ')).not.toContain('no-such-scope')
    else expectError(answer, 'invalid_scope')
  })

  const refusals = [
    [
      'an unknown grant type [RFC 6749 §5.2(a)(c)(d)(e)]',
      { grant_type: 'urn:example:unknown' },
      'unsupported_grant_type',
    ],
    ['a missing grant type [RFC 6749 §5.2(a)(c)(d)(e)]', {}, 'invalid_request'],
    ['an empty grant type like a missing one [RFC 6749 §3.2(e)]', { grant_type: '' }, 'invalid_request'],
    ['a missing code [RFC 6749 §4.1.3(g)]', { grant_type: 'authorization_code' }, 'invalid_request'],
    ['a missing refresh token [RFC 6749 §6(i)]', { grant_type: 'refresh_token' }, 'invalid_request'],
    [
      'a refresh token of nobody [RFC 6749 §6(e)]',
      { grant_type: 'refresh_token', refresh_token: 'x' },
      'invalid_grant',
    ],
  ] as const
  for (const [title, form, code] of refusals) {
    scenario(`answers ${code} to ${title}`, client, async (env) => {
      const answer = await requestToken(env.ISSUER, confidential(env), form)
      expectError(answer, code)
      expect(answer.status).toBe(400)
    })
  }

  scenario('takes an empty parameter as absent [RFC 6749 §3.2(e)]', client, async (env) => {
    const absent = await requestToken(env.ISSUER, confidential(env), forItself)
    const empty = await requestToken(env.ISSUER, confidential(env), { ...forItself, scope: '' })
    expect(empty.status, empty.text).toBe(absent.status)
    expect(jsonOf(empty)['scope']).toEqual(jsonOf(absent)['scope'])
  })

  scenario('ignores parameters that it does not know [RFC 6749 §3.2(f)]', client, async (env) => {
    const plain = await requestToken(env.ISSUER, confidential(env), forItself)
    const answer = await requestToken(env.ISSUER, confidential(env), { ...forItself, nobody_knows: 'this' })
    expect(answer.status, answer.text).toBe(plain.status)
  })

  for (const name of ['grant_type', 'scope', 'client_id', 'nobody_knows'] as const) {
    scenario(`refuses ${name} twice [RFC 6749 §3.2(g)]`, [...client, 'SCOPE'], async (env) => {
      const value = { grant_type: 'client_credentials', scope: env.SCOPE, client_id: env.CLIENT_ID, nobody_knows: 'x' }[
        name
      ]
      const form = [
        ...pairsOf({ ...forItself, scope: env.SCOPE }).filter(([each]) => each !== name),
        [name, value],
        [name, value],
      ]
      const answer = await requestToken(env.ISSUER, confidential(env), form as [string, string][])
      // Of a parameter that it ignores, a server may not have counted the occurrences.
      if (name !== 'nobody_knows' || answer.status !== 200) expectError(answer, 'invalid_request', 'invalid_client')
    })
  }

  for (const method of ['GET', 'PUT', 'DELETE']) {
    scenario(`gives nothing for ${method} [RFC 9110 §15.5.6]`, client, async (env) => {
      const { headers = {} } = await confidential(env).credentials()
      const url = `${await endpointOf(env.ISSUER, 'token_endpoint')}?grant_type=client_credentials`
      expectNoToken(await send(url, { method, headers }))
    })
  }

  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
    scenario(`gives nothing for a body of type ${type} [RFC 9110 §8.3]`, client, async (env) => {
      const { headers = {} } = await confidential(env).credentials()
      const body = type === 'application/json' ? JSON.stringify(forItself) : 'grant_type=client_credentials'
      const url = await endpointOf(env.ISSUER, 'token_endpoint')
      expectNoToken(await send(url, { method: 'POST', headers: { ...headers, 'content-type': type }, body }))
    })
  }
})

describe('authorization endpoint', () => {
  scenario(
    'leads a user from sign-in through consent to a code, by GET [RFC 6749 §3.1(a)(e), RFC 6749 §4.1.2(c), RFC 6749 §10.12(b)]',
    app,
    async (env) => {
      const browser = createBrowser(env.REDIRECT_URI)
      const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { prompt: 'consent' })
      const signIn = await browser.visit(await authorizationUrl(env.ISSUER, form))
      expect(signIn.left).toBeUndefined()
      expect(signIn.form && isSignIn(signIn.form)).toBe(true)
      const consent = await browser.visit(await authorizationUrl(env.ISSUER, form), { signIn: credentialsOf(env) })
      expect(consent.left).toBeUndefined()
      if (consent.form === undefined) throw new Error('no form that asks for consent')
      const approved = await browser.submit(
        consent.last,
        consent.form,
        isDecision(consent.form) ? { decision: 'approve' } : {},
      )
      expect(callbackOf(approved, env.REDIRECT_URI).get('code')).toMatch(/^[\x20-\x7e]+$/)
    },
  )

  scenario('gives no code for a wrong password [RFC 6749 §3.1(a)]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey())
    const signIn = { username: env.USERNAME, password: `${env.PASSWORD}x` }
    const browser = createBrowser(env.REDIRECT_URI)
    const first = await browser.visit(await authorizationUrl(env.ISSUER, form))
    if (first.form === undefined) throw new Error('no form to sign in')
    const visit = await browser.submit(first.last, first.form, signIn, { decision: 'approve' })
    expect(visit.left).toBeUndefined()
  })

  scenario(
    'takes a decision from the browser that was asked, and from no other [RFC 6749 §10.12(a)]',
    app,
    async (env) => {
      const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { prompt: 'consent' })
      const { last, form: consent } = await sharedBrowser(env).visit(await authorizationUrl(env.ISSUER, form), {
        signIn: credentialsOf(env),
      })
      if (consent === undefined) throw new Error('no form that asks for consent')
      const visit = await createBrowser(env.REDIRECT_URI).submit(last, consent, { decision: 'approve' })
      expect(visit.left?.searchParams.get('code') ?? null).toBeNull()
    },
  )

  const states = ['simple', 'a b+c%20d', '&=#?/:;,@', `"'<>\\^\`{|}~`, 'x'.repeat(500), '%2B%26', '=', '[]()*!$']
  for (const state of states) {
    scenario(
      `brings state ${JSON.stringify(state.slice(0, 20))} back unchanged [RFC 6749 §4.1.2(d)]`,
      app,
      async (env) => {
        const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { state })
        expect(callbackOf(await authorize(env, form), env.REDIRECT_URI).getAll('state')).toEqual([state])
      },
    )
  }

  scenario('brings no state back where there was none [RFC 6749 §4.1.2(d)]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { state: undefined })
    const callback = callbackOf(await authorize(env, form), env.REDIRECT_URI)
    expect(callback.has('code')).toBe(true)
    expect(callback.has('state')).toBe(false)
  })

  scenario(
    'tells the client that the user refused, with its state [RFC 6749 §4.1.2.1(a)(c)(d)(e)(f)]',
    app,
    async (env) => {
      const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { state: 'a b&c', prompt: 'consent' })
      const callback = callbackOf(await authorize(env, form, 'deny'), env.REDIRECT_URI)
      expect(callback.get('error')).toBe('access_denied')
      expect(callback.getAll('state')).toEqual(['a b&c'])
      expect(callback.has('code')).toBe(false)
      expectErrorMembers(Object.fromEntries(callback))
    },
  )

  const wrongRequests = [
    ['an unknown response type [RFC 6749 §3.1.1(a), RFC 6749 §4.1.2.1(a)(c)]', { response_type: 'telepathy' }],
    ['a missing response type [RFC 6749 §3.1.1(a), RFC 6749 §4.1.2.1(a)(c)]', { response_type: undefined }],
    ['an empty response type like a missing one [RFC 6749 §3.1(f)]', { response_type: '' }],
    ['an unknown scope [RFC 6749 §4.1.2.1(a)(c)]', { scope: 'no-such-scope' }],
  ] as const
  for (const [title, changes] of wrongRequests) {
    scenario(`tells the client, with its state, of ${title}`, app, async (env, context) => {
      const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { state: 'kept', ...changes })
      const callback = callbackOf(await authorize(env, form), env.REDIRECT_URI)
      // RFC 6749 §3.3: a scope may also be ignored.
      if ('scope' in changes && callback.has('code')) context.skip('unknown scopes are ignored')
      const { response_type: type } = { response_type: 'code', ...changes }
      const codes =
        'scope' in changes
          ? ['invalid_scope', 'access_denied']
          : ['invalid_request', type ? 'unsupported_response_type' : '']
      expect(codes).toContain(callback.get('error'))
      expect(callback.getAll('state')).toEqual(['kept'])
      expectErrorMembers(Object.fromEntries(callback))
    })
  }

  scenario('ignores parameters that it does not know [RFC 6749 §3.1(g)]', app, async (env) => {
    const form = authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { nobody_knows: 'this' })
    expect(callbackOf(await authorize(env, form), env.REDIRECT_URI).has('code')).toBe(true)
  })

  for (const name of ['response_type', 'scope', 'state', 'code_challenge', 'client_id', 'redirect_uri']) {
    scenario(`refuses ${name} twice [RFC 6749 §3.1(h)]`, app, async (env) => {
      const pairs = pairsOf(authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey()))
      const visit = await authorize(env, [...pairs, ...pairs.filter(([each]) => each === name)])
      expect(visit.left?.searchParams.get('code') ?? null).toBeNull()
      if (visit.left !== undefined) expect(visit.left.searchParams.get('error')).toBe('invalid_request')
    })
  }

  scenario(
    'sends nobody anywhere for an unknown client [RFC 6749 §4.1.2.1(b), RFC 6749 §4.1.1(b)]',
    app,
    async (env) => {
      for (const client_id of ['nobody-knows-this-client', undefined]) {
        const form = authorizationForm(env, '', createProofKey(), { client_id })
        const visit = await authorize(env, form)
        expect(visit.left).toBeUndefined()
        expect(visit.last.status).toBeGreaterThanOrEqual(400)
      }
    },
  )

  const wrongAddresses: readonly (readonly [string, (uri: URL) => string])[] = [
    ['another host', ({ href, hostname }) => href.replace(hostname, 'evil.example')],
    ['a longer host', ({ href, hostname }) => href.replace(hostname, `${hostname}.evil.example`)],
    ['the host as user name', ({ href, host }) => href.replace(host, `${host}@evil.example`)],
    ['a user name', ({ href, host }) => href.replace(host, `user@${host}`)],
    ['a backslash before another host', ({ href, host }) => href.replace(host, `evil.example\\@${host}`)],
    ['another path', ({ href }) => `${href}x`],
    ['a slash more', ({ href }) => `${href}/`],
    ['a path below', ({ href }) => `${href}/deeper`],
    ['a way round to the same path', ({ href, pathname }) => href.replace(pathname, `${pathname}/..${pathname}`)],
    ['dot segments', ({ href }) => `${href}/../other`],
    ['an escaped letter', ({ href }) => href.replace(/[a-z]$/, (letter) => `%${letter.charCodeAt(0).toString(16)}`)],
    ['other case', ({ href, pathname }) => href.replace(pathname, pathname.toUpperCase())],
    ['a query', ({ href }) => `${href}?added=1`],
    ['a fragment', ({ href }) => `${href}#fragment`],
    ['another scheme', ({ href, protocol }) => href.replace(protocol, protocol === 'http:' ? 'https:' : 'http:')],
    ['a script', () => 'javascript:alert(1)'],
    ['a relative address', ({ pathname }) => pathname],
    ['a line break', ({ href }) => `${href}\r\nx: y`],
    ['a space before', ({ href }) => ` ${href}`],
    ['a wildcard', ({ href, hostname }) => href.replace(hostname, '*')],
  ]
  for (const [what, change] of wrongAddresses) {
    scenario(
      `sends nobody to a redirect_uri with ${what} [RFC 6749 §3.1.2.3(a)(b), RFC 6749 §3.1.2.4(a), RFC 6749 §4.1.2.1(b), RFC 9700 §4.1.3]`,
      app,
      async (env) => {
        const redirect_uri = change(new URL(env.REDIRECT_URI))
        expect(redirect_uri).not.toBe(env.REDIRECT_URI)
        const visit = await authorize(
          env,
          authorizationForm(env, env.PUBLIC_CLIENT_ID, createProofKey(), { redirect_uri }),
        )
        expect(visit.left?.href).toBeUndefined()
        expect(visit.last.status).toBeGreaterThanOrEqual(400)
      },
    )
  }
})

describe('authorization code', () => {
  scenario('becomes tokens for a confidential client [RFC 6749 §5.1(a)(c)(d)]', web, async (env) => {
    const answer = await redeem(env.ISSUER, confidential(env), await obtainCode(env, env.CLIENT_ID))
    expect(tokensOf(answer).accessToken).not.toBe('')
    expectNoStore(answer)
  })

  scenario('becomes tokens for a public client that names itself [RFC 6749 §3.2.1(b)]', app, async (env) => {
    const code = await obtainCode(env, env.PUBLIC_CLIENT_ID)
    const nameless = await redeem(env.ISSUER, { id: '', credentials: () => ({}) }, code)
    expectError(nameless, 'invalid_client', 'invalid_request')
    const answer = await redeem(
      env.ISSUER,
      publicClient(env.PUBLIC_CLIENT_ID),
      await obtainCode(env, env.PUBLIC_CLIENT_ID),
    )
    expect(answer.status, answer.text).toBe(200)
  })

  scenario('works once [RFC 6749 §4.1.2(a)]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    tokensOf(await redeem(env.ISSUER, confidential(env), code))
    expectError(await redeem(env.ISSUER, confidential(env), code), 'invalid_grant')
  })

  scenario('works once, also when it comes 50 times at the same time [RFC 6749 §4.1.2(a)]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(env.ISSUER, confidential(env), code)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const answer of answers.filter(({ status }) => status !== 200)) expectError(answer, 'invalid_grant')
  })

  scenario('is of no use to another client [RFC 6749 §4.1.3(d)]', [...web, ...client2], async (env) => {
    expectError(await redeem(env.ISSUER, other(env), await obtainCode(env, env.CLIENT_ID)), 'invalid_grant')
  })

  scenario('of a confidential client needs its authentication [RFC 6749 §4.1.3(b)(c)]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    expectError(await redeem(env.ISSUER, publicClient(env.CLIENT_ID), code), 'invalid_client')
    const wrong = secretBasic(env.CLIENT_ID, altered(env.CLIENT_SECRET))
    expectError(await redeem(env.ISSUER, wrong, await obtainCode(env, env.CLIENT_ID)), 'invalid_client')
  })

  scenario('needs the redirect_uri that it was given for [RFC 6749 §4.1.3(a)]', web, async (env) => {
    for (const redirect_uri of [`${env.REDIRECT_URI}/`, 'https://evil.example/callback']) {
      const answer = await redeem(env.ISSUER, confidential(env), await obtainCode(env, env.CLIENT_ID), { redirect_uri })
      expectError(answer, 'invalid_grant', 'invalid_request')
    }
  })

  scenario('needs a redirect_uri when it was given for one [RFC 6749 §4.1.3(a)]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    const answer = await redeem(env.ISSUER, confidential(env), code, { redirect_uri: undefined })
    expectError(answer, 'invalid_grant', 'invalid_request')
  })

  scenario('is of no use when altered [RFC 6749 §4.1.3(e)]', web, async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    expectError(await redeem(env.ISSUER, confidential(env), { ...code, code: altered(code.code) }), 'invalid_grant')
  })

  scenario('differs from every other one [RFC 6749 §10.10(a)]', web, async (env) => {
    const codes = [await obtainCode(env, env.CLIENT_ID), await obtainCode(env, env.CLIENT_ID)].map(({ code }) => code)
    expect(codes[0]).not.toBe(codes[1])
    for (const code of codes) expect(code.length).toBeGreaterThanOrEqual(22)
  })

  scenario('brings no more scope than the user gave [RFC 6749 §3.3(a)]', [...web, 'SCOPE_WRITE'], async (env) => {
    const code = await obtainCode(env, env.CLIENT_ID)
    const answer = await redeem(env.ISSUER, confidential(env), code, { scope: `${env.USER_SCOPE} ${env.SCOPE_WRITE}` })
    if (answer.status === 200) expect(tokensOf(answer).scope?.split(' ') ?? []).not.toContain(env.SCOPE_WRITE)
    else expectError(answer)
  })
})

describe('refresh token', () => {
  scenario('brings a new access token of the same scope [RFC 6749 §6(f), RFC 6749 §5.1(a)(c)(d)]', web, async (env) => {
    const first = await userTokensWithRefresh(env, confidential(env))
    const answer = await refresh(env.ISSUER, confidential(env), first.refreshToken)
    const next = tokensOf(answer)
    expect(next.accessToken).not.toBe(first.accessToken)
    expect(next.scope ?? first.scope).toBe(first.scope)
    expectNoStore(answer)
    const second = tokensOf(await refresh(env.ISSUER, confidential(env), next.refreshToken ?? first.refreshToken))
    expect(second.scope ?? first.scope).toBe(first.scope)
  })

  scenario(
    'can be asked for less, and keeps what it was given for [RFC 6749 §6(a)(f)]',
    [...web, 'SCOPE'],
    async (env) => {
      const first = await userTokensWithRefresh(env, confidential(env))
      const less = tokensOf(await refresh(env.ISSUER, confidential(env), first.refreshToken, { scope: env.SCOPE }))
      expect(less.scope ?? env.SCOPE).toBe(env.SCOPE)
      const all = tokensOf(await refresh(env.ISSUER, confidential(env), less.refreshToken ?? first.refreshToken))
      expect(new Set((all.scope ?? env.USER_SCOPE).split(' '))).toEqual(
        new Set((first.scope ?? env.USER_SCOPE).split(' ')),
      )
    },
  )

  scenario('never brings more than it was given for [RFC 6749 §6(a)]', [...web, 'SCOPE_WRITE'], async (env) => {
    const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
    const scope = `${env.USER_SCOPE} ${env.SCOPE_WRITE}`
    expectError(await refresh(env.ISSUER, confidential(env), refreshToken, { scope }), 'invalid_scope')
  })

  scenario('is of no use to another client [RFC 6749 §6(d)]', [...web, ...client2], async (env) => {
    const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
    expectError(await refresh(env.ISSUER, other(env), refreshToken), 'invalid_grant')
    tokensOf(await refresh(env.ISSUER, confidential(env), refreshToken))
  })

  scenario('of a confidential client needs its authentication [RFC 6749 §6(b)(c)]', web, async (env) => {
    const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
    expectError(await refresh(env.ISSUER, publicClient(env.CLIENT_ID), refreshToken), 'invalid_client')
    const wrong = secretBasic(env.CLIENT_ID, altered(env.CLIENT_SECRET))
    expectError(await refresh(env.ISSUER, wrong, refreshToken), 'invalid_client')
  })

  scenario('is of no use when altered or made up [RFC 6749 §6(e), RFC 6749 §10.4(e)]', web, async (env) => {
    const { refreshToken } = await userTokensWithRefresh(env, confidential(env))
    for (const text of [altered(refreshToken), randomBytes(refreshToken.length).toString('base64url')]) {
      expectError(await refresh(env.ISSUER, confidential(env), text), 'invalid_grant')
    }
  })

  scenario('is no access token, and no access token is one [RFC 6749 §6(e)]', web, async (env) => {
    const { accessToken } = await userTokens(env, confidential(env))
    expectError(await refresh(env.ISSUER, confidential(env), accessToken), 'invalid_grant')
  })
})
