import { codeChallengeOf } from '@arctos/core'
import { describe, expect, it } from 'vitest'
import { openBrowser, pageOf, signedInBrowser } from './browser.ts'
import {
  answerOf,
  appSettings,
  type Changes,
  callback,
  createClient,
  issuer,
  locationOf,
  mail,
  notes,
  requestQuery,
  startSite,
  verifier,
} from './site.ts'

const site = await startSite()
await createClient(site.store, 'reader', appSettings({ scopes: ['read'] }))
await createClient(site.store, 'stranger', appSettings({ scopes: ['elsewhere'] }))
await createClient(site.store, 'api', appSettings({ resourceServerOf: notes, grantTypes: [] }))

/** What a request is answered with, by one word: the error for the client, `page`, or the status of a page that ends it. */
async function outcomeOf(query: string): Promise<string> {
  const answer = await openBrowser(site).get(`/authorize?${query}`)
  if (answer.status === 303) return answerOf(answer).get('error') ?? 'no error'
  return answer.status === 200 ? 'page' : `page ${answer.status}`
}

const outcome = (changes: Changes): Promise<string> => outcomeOf(requestQuery(changes))

describe('client_id', () => {
  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['unknown', 'nobody'],
    ['in another case', 'APP'],
    ['the name of a member of every object', '__proto__'],
    ['a path', '../app'],
    ['SQL', "app' OR '1'='1"],
    ['HTML', '<script>alert(1)</script>'],
    ['10 KB long', 'a'.repeat(10_000)],
  ])('%s: a page says so, and nobody is sent away [RFC 6749 §4.1.2.1(b), RFC 6749 §4.1.1(b)]', async (_, clientId) => {
    const answer = await openBrowser(site).get(`/authorize?${requestQuery({ client_id: clientId })}`)
    expect({ status: answer.status, location: answer.headers.get('location') }).toEqual({ status: 400, location: null })
  })

  it('of a disabled client is as unknown as any other [RFC 6749 §4.1.2.1(b)]', async () => {
    await createClient(site.store, 'disabled', appSettings({}))
    await site.store.updateClient({ id: 'disabled', disabled: true, actor: 'test' })
    expect(await outcome({ client_id: 'disabled' })).toBe('page 400')
  })

  it('of a client without the authorization code grant is told so [RFC 6749 §4.1.2.1(a)]', async () => {
    expect(await outcome({ client_id: 'machine' })).toBe('unauthorized_client')
  })

  it('of a resource server gets no codes [RFC 6749 §4.1.2.1(a)]', async () => {
    expect(await outcome({ client_id: 'api' })).toBe('unauthorized_client')
  })
})

describe('the form of a request', () => {
  it('answers a good one with a page, not with a redirect [RFC 6749 §3.1(e), RFC 6749 §3.1(a)]', async () => {
    expect(await outcome({})).toBe('page')
  })

  it('takes a POST with the same parameters [RFC 6749 §3.1(e)]', async () => {
    const browser = await signedInBrowser(site)
    const page = await pageOf(await browser.post('/authorize', requestQuery()))
    expect(page.html).toContain('Allow access?')
  })

  it('leads a POST without a session to the sign-in page by GET, where cookies of this site come along [RFC 6749 §3.1(e)]', async () => {
    const answer = await openBrowser(site).post('/authorize', requestQuery())
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toMatch(/^\/authorize\?response_type=code&client_id=app&/)
  })

  it.each([
    ['client_id', 'page 400'],
    ['redirect_uri', 'page 400'],
    ['response_type', 'invalid_request'],
    ['scope', 'invalid_request'],
    ['state', 'invalid_request'],
    ['code_challenge', 'invalid_request'],
    ['code_challenge_method', 'invalid_request'],
    ['prompt', 'invalid_request'],
    ['x', 'invalid_request'],
  ])('refuses %s when it comes twice [RFC 6749 §3.1(h)]', async (name, expected) => {
    const once = requestQuery({ prompt: 'consent', x: '1' })
    const value = new URLSearchParams(once).get(name) ?? ''
    expect(await outcomeOf(`${once}&${name}=${encodeURIComponent(value)}`)).toBe(expected)
  })

  it('refuses parameters in body and query at once [RFC 6749 §3.1(h)]', async () => {
    const answer = await openBrowser(site).post('/authorize?client_id=app', requestQuery())
    expect(answerOf(answer).get('error')).toBe('invalid_request')
  })

  it.each(['scope', 'resource', 'prompt', 'max_age', 'acr_values', 'response_mode', 'request_uri', 'state'])(
    'takes an empty %s for none [RFC 6749 §3.1(f)]',
    async (name) => {
      expect(await outcome({ [name]: '' })).toBe('page')
    },
  )

  it.each(['response_type', 'code_challenge', 'code_challenge_method'])(
    'takes an empty %s for none, and so refuses it [RFC 6749 §3.1(f)]',
    async (name) => {
      expect(await outcome({ [name]: '' })).toBe('invalid_request')
    },
  )

  it.each(['nonce', 'display', 'ui_locales', 'claims', '__proto__', 'constructor[prototype]', 'scope[]'])(
    'ignores %s, which it does not know [RFC 6749 §3.1(g)]',
    async (name) => {
      expect(await outcomeOf(`${requestQuery()}&${encodeURIComponent(name)}=1`)).toBe('page')
    },
  )

  it.each([
    ['a byte that is no UTF-8', 'x=%ff'],
    ['an overlong slash', 'x=%c0%af'],
    ['a lone percent sign', 'x=%'],
    ['no hexadecimal', 'x=%zz'],
    ['a NUL character', 'x=%00'],
    ['a lone surrogate', 'x=%ed%a0%80'],
    ['a NUL character in state', 'state=a%00b'],
  ])('refuses %s, and tells the client [RFC 6749 §10.14(a)]', async (_, pair) => {
    expect(await outcomeOf(`${requestQuery({ state: undefined })}&${pair}`)).toBe('invalid_request')
  })

  it.each(['client_id=app%00', 'client_id=%ff', 'redirect_uri=%ff'])(
    'refuses a malformed %s on a page [RFC 6749 §10.14(a), RFC 6749 §3.1.2.4(a)]',
    async (pair) => {
      const [name = ''] = pair.split('=')
      expect(await outcomeOf(`${requestQuery({ [name]: undefined })}&${pair}`)).toBe('page 400')
    },
  )

  it('takes 100 parameters and refuses 101 [RFC 6749 §10.14(a)]', async () => {
    const extra = (count: number): string => Array.from({ length: count }, (_, index) => `&x${index}=1`).join('')
    expect([await outcomeOf(requestQuery() + extra(93)), await outcomeOf(requestQuery() + extra(94))]).toEqual([
      'page',
      'invalid_request',
    ])
  })

  it('refuses a body of another type [RFC 6749 §10.14(a)]', async () => {
    const answer = await openBrowser(site).post('/authorize', '{}', { 'content-type': 'application/json' })
    expect(answer.status).toBe(400)
  })
})

describe('response_type and response_mode', () => {
  it('is needed [RFC 6749 §3.1.1(a)]', async () => {
    expect(await outcome({ response_type: undefined })).toBe('invalid_request')
  })

  it.each(['token', 'code token', 'id_token', 'code id_token', 'none', 'code code', 'Code', 'CODE', ' code', 'code '])(
    'refuses %j [RFC 6749 §3.1.1(a), RFC 10017 §7.2]',
    async (type) => {
      expect(await outcome({ response_type: type })).toBe('unsupported_response_type')
    },
  )

  it('takes the mode query [RFC 6749 §4.1.2(c)]', async () => {
    expect(await outcome({ response_mode: 'query' })).toBe('page')
  })

  it.each(['fragment', 'form_post', 'query.jwt', 'web_message', 'Query'])(
    'refuses the mode %s, and says so in the query [RFC 6749 §4.1.2.1(a)]',
    async (mode) => {
      expect(await outcome({ response_mode: mode })).toBe('invalid_request')
    },
  )

  it.each(['request', 'request_uri'])('refuses %s, and fetches nothing [RFC 6749 §4.1.2.1(a)]', async (name) => {
    expect(await outcome({ [name]: 'https://web.example/request.jwt' })).toBe('request_not_supported')
  })
})

describe('PKCE', () => {
  const good = codeChallengeOf(verifier)

  it('takes an S256 challenge [RFC 7636 §4.2(b)]', async () => {
    expect(await outcome({ code_challenge: good })).toBe('page')
  })

  it.each(['app', 'web'])('is asked of the client %s, public or not [RFC 7636 §4.4.1(a)]', async (clientId) => {
    const changes = {
      client_id: clientId,
      redirect_uri: undefined,
      code_challenge: undefined,
      code_challenge_method: undefined,
    }
    expect(await outcome(changes)).toBe('invalid_request')
  })

  it.each([
    ['a method without a challenge', undefined, 'S256'],
    ['an empty challenge', '', 'S256'],
  ])('refuses %s [RFC 7636 §4.4.1(a)]', async (_, challenge, method) => {
    expect(await outcome({ code_challenge: challenge, code_challenge_method: method })).toBe('invalid_request')
  })

  it.each([
    ['no method, which means plain', undefined],
    ['an empty method', ''],
    ['plain', 'plain'],
    ['PLAIN', 'PLAIN'],
    ['s256', 's256'],
    ['S256 and a space', 'S256 '],
    ['S384', 'S384'],
    ['S512', 'S512'],
    ['none', 'none'],
    ['two methods', 'S256 plain'],
  ])('refuses %s [RFC 7636 §4.4.1(b)]', async (_, method) => {
    expect(await outcome({ code_challenge_method: method })).toBe('invalid_request')
  })

  it('refuses a plain challenge that is a good verifier too [RFC 7636 §4.4.1(b)]', async () => {
    expect(await outcome({ code_challenge: verifier, code_challenge_method: 'plain' })).toBe('invalid_request')
  })

  it.each([
    ['42 characters', good.slice(1)],
    ['44 characters', `${good}A`],
    ['padding', `${good}=`],
    ['base64 instead of base64url', `+/${good.slice(2)}`],
    ['hexadecimal', Buffer.from(good, 'base64url').toString('hex')],
    ['bits that no byte has', `${good.slice(0, -1)}B`],
    ['a space inside', `${good.slice(0, 20)} ${good.slice(21)}`],
    ['a line end', `${good}\n`],
    ['a tilde', `~${good.slice(1)}`],
    ['a letter beyond ASCII', `\u00e9${good.slice(1)}`],
  ])('refuses a challenge with %s [RFC 7636 §4.4.1(a)]', async (_, challenge) => {
    expect(await outcome({ code_challenge: challenge })).toBe('invalid_request')
  })

  it('says what was missing [RFC 7636 §4.4.1(c)]', async () => {
    const answer = await openBrowser(site).get(`/authorize?${requestQuery({ code_challenge: undefined })}`)
    expect(answerOf(answer).get('error_description')).toBe(
      'A code_challenge with code_challenge_method=S256 is required.',
    )
  })
})

describe('scope', () => {
  it.each(['read', 'write', 'read write', 'write read', 'read read', 'read offline_access'])(
    'takes %j [RFC 6749 §3.3(d)]',
    async (scope) => {
      expect(await outcome({ scope })).toBe('page')
    },
  )

  it.each([
    ['an unknown word', 'delete'],
    ['an unknown word beside a known one', 'read delete'],
    ['openid, for ID tokens are not issued', 'openid'],
    ['openid beside a known one', 'openid read'],
    ['a known word in another case', 'READ'],
    ['a quote', 'read"'],
    ['a backslash', 'read\\'],
    ['two spaces', 'read  write'],
    ['a space in front', ' read'],
    ['a tab', 'read\twrite'],
    ['a letter beyond ASCII', 'r\u00e9ad'],
    ['HTML', '<script>'],
    ['the name of a member of every object', 'constructor'],
    ['101 words', Array.from({ length: 101 }, (_, index) => `s${index}`).join(' ')],
    ['2,001 characters', 'a'.repeat(2_001)],
    ["another resource's word", 'send'],
  ])('refuses %s [RFC 6749 §3.3(b)]', async (_, scope) => {
    expect(await outcome({ scope })).toBe('invalid_scope')
  })

  it('refuses what the client is not registered for [RFC 6749 §3.3(b)]', async () => {
    expect(await outcome({ client_id: 'reader', scope: 'write' })).toBe('invalid_scope')
  })

  it('means without one all that the client may have, but no access while the user is away [RFC 6749 §3.3(b)]', async () => {
    const page = await (await signedInBrowser(site)).authorize({ scope: undefined })
    expect([
      page.html.includes('<code>read</code>'),
      page.html.includes('<code>write</code>'),
      page.html.includes('offline_access'),
    ]).toEqual([true, true, false])
  })

  it('means without one only what the client is registered for [RFC 6749 §3.3(b)]', async () => {
    const page = await (await signedInBrowser(site)).authorize({ client_id: 'reader', scope: undefined })
    expect([page.html.includes('<code>read</code>'), page.html.includes('<code>write</code>')]).toEqual([true, false])
  })
})

describe('resource', () => {
  it.each([
    ['the registered one', notes],
    ['the registered one with the slash that MCP clients add', `${notes}/`],
  ])('takes %s [RFC 8707 §2]', async (_, resource) => {
    expect(await outcome({ resource })).toBe('page')
  })

  it('takes several, and scopes of any of them [RFC 8707 §2]', async () => {
    expect(await outcome({ resource: [notes, mail], scope: 'read send' })).toBe('page')
  })

  it('takes the same one twice for one [RFC 8707 §2]', async () => {
    expect(await outcome({ resource: [notes, `${notes}/`] })).toBe('page')
  })

  it('means the first registered one when it is left out [RFC 9068 §3(a)]', async () => {
    const page = await (await signedInBrowser(site)).authorize({ resource: undefined })
    expect([page.html.includes(notes), page.html.includes(mail)]).toEqual([true, false])
  })

  it.each([
    ['a relative one', '/notes'],
    ['a name', 'notes'],
    ['a wildcard', '*'],
    ['a fragment', `${notes}#x`],
    ['a query', `${notes}?x=1`],
    ['a user name', 'https://a@notes.example'],
    ['an unknown one', 'https://other.example'],
    ['another path', `${notes}/v2`],
    ['another case', 'https://NOTES.example'],
    ['another scheme', 'http://notes.example'],
    ['a slash after a path', `${mail}/`],
    ['javascript:', 'javascript:alert(1)'],
    ['501 characters', `https://notes.example/${'a'.repeat(479)}`],
  ])('refuses %s [RFC 8707 §2]', async (_, resource) => {
    expect(await outcome({ resource })).toBe('invalid_target')
  })

  it('refuses a known one beside an unknown one [RFC 8707 §2]', async () => {
    expect(await outcome({ resource: [notes, 'https://other.example'] })).toBe('invalid_target')
  })

  it('refuses eleven of them [RFC 8707 §2]', async () => {
    const resource = Array.from({ length: 11 }, (_, index) => `https://r${index}.example`)
    expect(await outcome({ resource })).toBe('invalid_target')
  })
})

describe('prompt and max_age', () => {
  it('none without a session is login_required [RFC 6749 §4.1.2.1(a)]', async () => {
    expect(await outcome({ prompt: 'none' })).toBe('login_required')
  })

  it.each(['none login', 'login none', 'none consent', 'none unknown'])(
    'refuses %j: none stands alone [RFC 6749 §4.1.2.1(a)]',
    async (prompt) => {
      expect(await outcome({ prompt })).toBe('invalid_request')
    },
  )

  it.each(['create', 'select_account', 'unknown', 'NONE', '<script>', ' '])(
    'ignores %j [RFC 6749 §3.1(g)]',
    async (prompt) => {
      expect(await outcome({ prompt })).toBe('page')
    },
  )

  it('refuses a prompt of more than 200 characters [RFC 6749 §10.14(a)]', async () => {
    expect([await outcome({ prompt: 'a'.repeat(200) }), await outcome({ prompt: 'a'.repeat(201) })]).toEqual([
      'page',
      'invalid_request',
    ])
  })

  it.each(['-1', '1.5', '1e9', '1e99', 'soon', '0x10', '+1', ' 1', '9999999999'])(
    'refuses max_age %j [RFC 6749 §10.14(a)]',
    async (maxAge) => {
      expect(await outcome({ max_age: maxAge })).toBe('invalid_request')
    },
  )

  it.each(['0', '1', '3600', '999999999'])('takes max_age %s [RFC 6749 §10.14(a)]', async (maxAge) => {
    expect(await outcome({ max_age: maxAge })).toBe('page')
  })
})

describe('an error for the client', () => {
  const refused = (changes: Changes = {}) =>
    openBrowser(site).get(`/authorize?${requestQuery({ scope: 'delete', ...changes })}`)

  it('goes to the redirection URI by 303, to be fetched with GET [RFC 6749 §4.1.2.1(a)]', async () => {
    const answer = await refused()
    const { origin, pathname } = locationOf(answer)
    expect([answer.status, origin + pathname]).toEqual([303, callback])
  })

  it('says what, why, where from, and once each [RFC 6749 §4.1.2.1(a)]', async () => {
    const answer = await refused()
    expect([...answerOf(answer).keys()]).toEqual(['error', 'error_description', 'error_uri', 'state', 'iss'])
  })

  it('carries the state [RFC 6749 §4.1.2.1(c)]', async () => {
    expect(answerOf(await refused({ state: 'a b&c=d' })).get('state')).toBe('a b&c=d')
  })

  it('carries no state when none was sent [RFC 6749 §4.1.2.1(c)]', async () => {
    expect(answerOf(await refused({ state: undefined })).has('state')).toBe(false)
  })

  it('names the issuer [RFC 9207 §2]', async () => {
    expect(answerOf(await refused()).get('iss')).toBe(issuer)
  })

  it('keeps error to its characters [RFC 6749 §4.1.2.1(d)]', async () => {
    expect(answerOf(await refused()).get('error')).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
  })

  it('keeps error_description to its characters, whatever was sent [RFC 6749 §4.1.2.1(e)]', async () => {
    const answer = await refused({ scope: '"\\\u00e9\u202e' })
    expect(answerOf(answer).get('error_description')).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)
  })

  it('gives an error_uri that is a URI of this server, with the receipt [RFC 6749 §4.1.2.1(f)]', async () => {
    const answer = await refused()
    expect(answerOf(answer).get('error_uri')).toBe(`${issuer}/receipts/${answer.headers.get('arctos-receipt')}`)
  })

  it('has a receipt that tells the operator what was wrong [RFC 6749 §4.1.2.1(a)]', async () => {
    const receipt = (await refused()).headers.get('arctos-receipt') ?? ''
    expect(site.server.context.receipts.open(receipt)).toMatchObject({
      reason: 'scope.unknown',
      facts: { received: 'delete' },
      owner: undefined,
    })
  })

  it('is kept by no cache and told to no other site [RFC 6749 §4.1.2.1(a)]', async () => {
    const { headers } = await refused()
    expect([headers.get('cache-control'), headers.get('referrer-policy')]).toEqual(['no-store', 'no-referrer'])
  })
})

describe('state', () => {
  const echo = async (state: string): Promise<string | null> => {
    const answer = await openBrowser(site).get(`/authorize?${requestQuery({ state, prompt: 'none' })}`)
    return answerOf(answer).get('state')
  }

  it.each([
    ['words', 'af0ifjsldkj'],
    ['another parameter', 'x&code=evil'],
    ['percent signs', '%2e%00%zz'],
    ['a plus sign', 'a+b c'],
    ['a fragment', 'a#b'],
    ['quotes', `a"b'c`],
    ['HTML', '<script>alert(1)</script>'],
    ['JSON', '{"a":[1,2]}'],
    ['letters beyond ASCII', 'gr\u00fc\u00dfe \u{1f43b}'],
    ['line ends', 'a\r\nSet-Cookie: b=c'],
    ['a line separator', 'a\u2028b'],
    ['3,072 characters', 'a'.repeat(3_072)],
  ])('comes back unchanged with %s [RFC 6749 §4.1.2.1(c)]', async (_, state) => {
    expect(await echo(state)).toBe(state)
  })

  it('may have 3,072 characters and no more [RFC 6749 §10.14(a)]', async () => {
    expect([await outcome({ state: 'a'.repeat(3_072) }), await outcome({ state: 'a'.repeat(3_073) })]).toEqual([
      'page',
      'invalid_request',
    ])
  })
})
