import { hash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { type OAuthClientOptions, oauthClient } from '@arctos/client'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { publicClientId, startAuthorizationServer } from './support/authorization-server.ts'
import { answers, cutAfterActing, unavailable } from './support/faults.ts'
import { startScene } from './support/reporter.ts'
import { createWorld } from './support/world.ts'

const scope = 'read offline_access'

/** One plain request to the loopback port, with whatever headers a page or a program can make. */
function visit(
  url: string,
  options: { host?: string; method?: string } = {},
): Promise<{ status: number; body: string; headers: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = options.host === undefined ? {} : { host: options.host }
    httpRequest(url, { method: options.method ?? 'GET', headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }))
    })
      .on('error', reject)
      .end()
  })
}

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const holder = createServer().listen(0, '127.0.0.1', () => {
      const { port } = holder.address() as AddressInfo
      holder.close(() => resolve(port))
    })
  })
}

/** Logs in, with this done between the opening of the browser and the true answer. */
async function logInWith(between: (redirectUri: string, state: string) => Promise<void>) {
  const scene = await startScene()
  const { program, resource, openBrowser } = scene
  let redirectUri = ''
  let state = ''
  const session = await program.login({
    resource,
    scope,
    openBrowser: async (url) => {
      const query = new URL(url).searchParams
      redirectUri = query.get('redirect_uri') ?? ''
      state = query.get('state') ?? ''
      await between(redirectUri, state)
      await openBrowser(url)
    },
  })
  return { ...scene, session, redirectUri, state }
}

describe('the authorization request', () => {
  it('asks for a code by PKCE, for this resource and scope [RFC 6749 §4.1.1(a)(b), RFC 6749 §3.1.2.3(c), RFC 7636 §4.3, RFC 7636 §4.2(a), RFC 8707 §2.1]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    await program.login({ resource, scope, openBrowser })
    const query = Object.fromEntries(server.seenAt('/authorize')[0]?.query ?? [])
    expect(query).toEqual({
      response_type: 'code',
      client_id: publicClientId,
      redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
      scope,
      resource,
    })
  })

  it('is made of fresh chance each time [RFC 6749 §10.12(d), RFC 6749 §4.1.1(c), RFC 7636 §4.1(a), RFC 7636 §7.1]', async () => {
    const asked: number[] = []
    const random = (length: number) => {
      asked.push(length)
      return crypto.getRandomValues(new Uint8Array(length))
    }
    const { program, resource, server, openBrowser } = await startScene({ random })
    await program.login({ resource, openBrowser })
    await program.login({ resource, openBrowser })
    const queries = server.seenAt('/authorize').map(({ query }) => query)
    expect(new Set(queries.map((query) => query.get('state'))).size).toBe(2)
    expect(new Set(queries.map((query) => query.get('code_challenge'))).size).toBe(2)
    expect(asked.filter((length) => length === 32)).toHaveLength(4)
  })

  it('keeps the query that the endpoint has, and repeats nothing [RFC 6749 §3.1(b)(h)]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.metadata['authorization_endpoint'] = `${server.issuer}/authorize?tenant=a%20b&x`
    await program.login({ resource, openBrowser })
    const query = server.seenAt('/authorize')[0]?.query ?? new URLSearchParams()
    expect([query.get('tenant'), query.get('x'), query.get('response_type')]).toEqual(['a b', '', 'code'])
    expect([...query.keys()]).toEqual([...new Set(query.keys())])
  })

  it('names every resource, and asks for a token of the first [RFC 8707 §2]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    await program.login({ resource: [resource, 'https://other.example.com'], openBrowser })
    expect(server.seenAt('/authorize')[0]?.query.getAll('resource')).toEqual([resource, 'https://other.example.com'])
    expect(server.seenAt('/token')[0]?.form.getAll('resource')).toEqual([resource])
  })

  it('holds nothing but random state, no secret and no verifier [RFC 6749 §10.8(c)]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    await program.login({ resource, openBrowser })
    const verifier = server.seenAt('/token')[0]?.form.get('code_verifier') ?? ''
    expect(String(server.seenAt('/authorize')[0]?.query)).not.toContain(verifier)
  })

  it('goes through the browser outside: it is printed where nothing opens one [RFC 6749 §10.13]', async () => {
    const { program, resource, openBrowser } = await startScene()
    const print = vi.spyOn(console, 'error').mockImplementation((text: string) => {
      const [, url = ''] = text.split('\n')
      openBrowser(url).catch(() => undefined)
    })
    onTestFinished(() => print.mockRestore())
    await program.login({ resource })
    expect(print).toHaveBeenCalledTimes(1)
  })

  it.each([['plain'], ['S512', 'plain'], []])(
    'is not made where only %j is supported: nothing falls back to plain [RFC 7636 §7.2(a)(c)]',
    async (...methods) => {
      const { program, resource, server } = await startScene()
      server.metadata['code_challenge_methods_supported'] = methods.length === 0 ? 'plain' : methods
      const openBrowser = vi.fn()
      await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'metadata_refused' })
      expect(openBrowser).not.toHaveBeenCalled()
    },
  )

  it('has PKCE for a server that does not speak of it too [RFC 7636 §5]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.metadata['code_challenge_methods_supported'] = undefined
    await program.login({ resource, openBrowser })
    expect(server.seenAt('/authorize')[0]?.query.get('code_challenge_method')).toBe('S256')
  })

  it.each(['file:///bin/sh', 'https://as.example.com/$(id)', '--help', 'ms-msdt:/id'])(
    'is not made to %s, and no browser is opened',
    async (endpoint) => {
      const { program, resource, server } = await startScene()
      server.metadata['authorization_endpoint'] = endpoint
      const openBrowser = vi.fn()
      await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'metadata_refused' })
      expect(openBrowser).not.toHaveBeenCalled()
    },
  )

  it('is not made where there is no authorization endpoint', async () => {
    const { program, resource, server } = await startScene()
    server.metadata['authorization_endpoint'] = undefined
    await expect(program.login({ resource })).rejects.toMatchObject({ code: 'metadata_refused' })
  })
})

describe('the token request for a code', () => {
  it('sends code, verifier, the same redirect_uri, the resource and, without a secret, the client_id [RFC 6749 §4.1.3(f)(g)(h), RFC 6749 §3.2.1(b), RFC 7636 §4.5(a), RFC 8707 §2.2]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    await program.login({ resource, scope, openBrowser })
    const form = Object.fromEntries(server.seenAt('/token')[0]?.form ?? [])
    const query = server.seenAt('/authorize')[0]?.query
    expect(form).toEqual({
      grant_type: 'authorization_code',
      code: expect.any(String),
      redirect_uri: query?.get('redirect_uri'),
      code_verifier: expect.stringMatching(/^[\w-]{43}$/),
      client_id: publicClientId,
      resource,
    })
    expect(hash('sha256', form['code_verifier'] ?? '', 'base64url')).toBe(query?.get('code_challenge'))
  })

  it('is authenticated by a client that has a secret [RFC 6749 §3.2.1(a)]', async () => {
    const { client, resource, server, openBrowser } = await startScene()
    await client.login({ resource, openBrowser })
    const [request] = server.seenAt('/token')
    expect(request?.headers.authorization).toMatch(/^Basic /)
    expect(request?.form.has('client_id')).toBe(false)
  })

  it.each([
    ['a lost answer', cutAfterActing],
    ['503', unavailable()],
  ])('is never sent a second time, not after %s either [RFC 6749 §4.1.2(e)]', async (_, fault) => {
    const { program, resource, server, openBrowser } = await startScene()
    server.fault('/token', fault)
    await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'unavailable' })
    expect(server.seenAt('/token')).toHaveLength(1)
  })

  it('gives a session with what was granted', async () => {
    const { program, resource, openBrowser } = await startScene()
    const session = await program.login({ resource, scope, openBrowser })
    expect(session.scope).toEqual(['read', 'offline_access'])
    expect((await session.fetch({ resource })('/notes')).status).toBe(200)
  })

  it('gives no session where the server refuses', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.fault('/token', answers(400, '{"error":"invalid_grant"}', { 'content-type': 'application/json' }))
    await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ error: 'invalid_grant' })
  })
})

describe('the answer of the browser', () => {
  it('is taken once; whoever comes later finds nobody [RFC 8252 §8.3]', async () => {
    const { redirectUri, state } = await logInWith(async () => undefined)
    await expect(visit(`${redirectUri}?code=stolen&state=${state}`)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('is taken once, also while the code is being redeemed', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    let second: Promise<{ status: number }> | undefined
    let address = ''
    server.fault('/token', ({ answer }) => {
      second = visit(address)
      second.then(answer, answer)
    })
    await program.login({
      resource,
      openBrowser: (url) => {
        const query = new URL(url).searchParams
        address = `${query.get('redirect_uri')}?code=other&state=${query.get('state')}&iss=${encodeURIComponent(server.issuer)}`
        return openBrowser(url)
      },
    })
    expect((await second)?.status).toBe(410)
    expect(server.seenAt('/token')).toHaveLength(1)
  })

  it.each([
    ['another state', (_state: string) => 'state=forged'],
    ['no state', () => ''],
    ['half a state', (state: string) => `state=${state.slice(0, 20)}`],
    ['two states', (state: string) => `state=${state}&state=${state}`],
  ])('is ignored with %s, and the login goes on [RFC 6749 §10.12(c)(d)(f)]', async (_, query) => {
    let status = 0
    const { server } = await logInWith(async (redirectUri, state) => {
      status = (await visit(`${redirectUri}?code=forged&${query(state)}`)).status
    })
    expect(status).toBe(400)
    expect(server.seenAt('/token').map(({ form }) => form.get('code'))).not.toContain('forged')
  })

  it.each([
    ['a name that leads to this machine', { host: 'evil.example' }, 421],
    ['localhost', { host: 'localhost' }, 421],
    ['another port', { host: '127.0.0.1:1' }, 421],
    ['another method', { method: 'POST' }, 405],
  ])('is ignored under %s, and the login goes on', async (_, options, expected) => {
    let status = 0
    await logInWith(async (redirectUri, state) => {
      status = (await visit(`${redirectUri}?code=forged&state=${state}`, options)).status
    })
    expect(status).toBe(expected)
  })

  it('is ignored on another path, and the login goes on', async () => {
    let status = 0
    await logInWith(async (redirectUri, state) => {
      status = (await visit(`${redirectUri}/other?code=forged&state=${state}`)).status
    })
    expect(status).toBe(404)
  })

  it('is answered by a page without script, frame, cache or referrer [RFC 6749 §3.1.2.5(b)]', async () => {
    const { program, resource } = await startScene()
    let page = { status: 0, body: '', headers: {} as unknown }
    const openBrowser = async (url: string) => {
      const response = await fetch(url, { redirect: 'manual' })
      page = await visit(response.headers.get('location') ?? '')
    }
    await program.login({ resource, openBrowser })
    expect(page.status).toBe(200)
    expect(page.body).not.toMatch(/<script|on\w+=|http/i)
    expect(page.headers).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
  })

  it.each([
    ['another issuer', 'https://evil.example'],
    ['a slash more', 'SELF/'],
    ['an empty one', ''],
  ])('with %s ends the login before the code is sent [RFC 9207 §2.4]', async (_, iss) => {
    const { program, resource, server, openBrowser } = await startScene()
    server.changeResponse = (parameters) => parameters.set('iss', iss.replace('SELF', server.issuer))
    await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'callback_refused' })
    expect(server.seenAt('/token')).toEqual([])
  })

  it.each([
    [true, true, 'accepted'],
    [true, false, 'refused'],
    [undefined, true, 'accepted'],
    [undefined, false, 'accepted'],
  ])(
    'where the metadata promises iss: %j, and it is there: %j, is %s [RFC 9207 §2.4]',
    async (promised, present, expected) => {
      const { program, resource, server, openBrowser } = await startScene()
      server.metadata['authorization_response_iss_parameter_supported'] = promised
      if (!present) server.changeResponse = (parameters) => parameters.delete('iss')
      const result = await program.login({ resource, openBrowser }).then(
        () => 'accepted',
        () => 'refused',
      )
      expect(result).toBe(expected)
    },
  )

  it('with a wrong iss is not even believed to be an error [RFC 9207 §2.4]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.changeResponse = (parameters) => {
      parameters.delete('code')
      parameters.set('error', 'access_denied')
      parameters.set('iss', 'https://evil.example')
    }
    await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'callback_refused' })
  })

  it('may be a refusal, with its code and sentence [RFC 6749 §4.1.2.1]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.changeResponse = (parameters) => {
      parameters.delete('code')
      parameters.set('error', 'access_denied')
      parameters.set('error_description', 'The user said no.')
    }
    await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({
      name: 'OAuthError',
      error: 'access_denied',
      description: 'The user said no.',
      status: undefined,
    })
    expect(server.seenAt('/token')).toEqual([])
  })

  it('may have parameters that nobody knows [RFC 6749 §4.1.2(f)]', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    server.changeResponse = (parameters) => parameters.set('later_invention', '1')
    await program.login({ resource, openBrowser })
  })

  it.each(['code', 'iss', 'error'])(
    'with a repeated %s is refused [RFC 6749 §3.1(h), RFC 6749 §10.14(b)]',
    async (name) => {
      const { program, resource, server, openBrowser } = await startScene()
      server.changeResponse = (parameters) => {
        for (const value of [server.issuer, server.issuer]) parameters.append(name, value)
      }
      await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'callback_refused' })
      expect(server.seenAt('/token')).toEqual([])
    },
  )

  it.each([
    ['no code', (parameters: URLSearchParams) => parameters.delete('code')],
    ['an empty code', (parameters: URLSearchParams) => parameters.set('code', '')],
    ['a code with control characters', (parameters: URLSearchParams) => parameters.set('code', 'a\nb')],
    ['a code of 4,097 characters', (parameters: URLSearchParams) => parameters.set('code', 'a'.repeat(4_097))],
    ['an error that is no code', (parameters: URLSearchParams) => parameters.set('error', 'a"b')],
  ])('with %s is refused [RFC 6749 §10.14(b)]', async (_, change) => {
    const { program, resource, server, openBrowser } = await startScene()
    server.changeResponse = change
    await expect(program.login({ resource, openBrowser })).rejects.toMatchObject({ code: 'callback_refused' })
    expect(server.seenAt('/token')).toEqual([])
  })
})

describe('waiting for the user', () => {
  const issuerOf = async (options: Partial<OAuthClientOptions> = {}) => {
    const world = createWorld()
    const { issuer } = await startAuthorizationServer(world)
    return oauthClient({ issuer, clientId: publicClientId, ...world, ...options })
  }
  const resource = 'https://api.example.com'

  it('ends after its time, and the port is free again', async () => {
    const client = await issuerOf()
    let redirectUri = ''
    const openBrowser = (url: string) => {
      redirectUri = new URL(url).searchParams.get('redirect_uri') ?? ''
    }
    await expect(client.login({ resource, openBrowser, timeoutMs: 30 })).rejects.toMatchObject({
      code: 'login_timeout',
    })
    await expect(visit(redirectUri)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('ends when the caller gives up', async () => {
    const client = await issuerOf()
    const giveUp = new AbortController()
    const openBrowser = () => giveUp.abort(new Error('changed my mind'))
    await expect(client.login({ resource, openBrowser, signal: giveUp.signal })).rejects.toThrow('changed my mind')
  })

  it('does not begin when the caller gave up before', async () => {
    const client = await issuerOf()
    const openBrowser = vi.fn()
    await expect(client.login({ resource, openBrowser, signal: AbortSignal.abort() })).rejects.toThrow(/aborted/)
    expect(openBrowser).not.toHaveBeenCalled()
  })

  it('ends when no browser can be opened', async () => {
    const client = await issuerOf()
    const openBrowser = () => {
      throw new Error('no browser here')
    }
    await expect(client.login({ resource, openBrowser })).rejects.toThrow('no browser here')
  })

  it('listens on a given port and path', async () => {
    const { program, resource, server, openBrowser } = await startScene()
    const free = await freePort()
    const redirectUri = `http://127.0.0.1:${free}/signed-in`
    await program.login({ resource, openBrowser, redirectUri })
    expect(server.seenAt('/authorize')[0]?.query.get('redirect_uri')).toBe(redirectUri)
  })

  it('says that the port is taken', async () => {
    const { program, resource, server } = await startScene()
    const taken = new URL(server.issuer).port
    const login = program.login({ resource, redirectUri: `http://127.0.0.1:${taken}/callback`, openBrowser: vi.fn() })
    await expect(login).rejects.toMatchObject({
      code: 'invalid_option',
      message: expect.stringContaining('EADDRINUSE'),
    })
  })

  it.each([
    'http://localhost/callback',
    'http://0.0.0.0/callback',
    'http://[::1]/callback',
    'https://127.0.0.1/callback',
    'http://127.0.0.1:70000/callback',
    'http://127.0.0.1/call?back',
    'http://127.0.0.1/<script>',
    'http://127.0.0.1.evil.example/callback',
    'callback',
  ])('refuses the redirection URI %s', async (redirectUri) => {
    const client = await issuerOf()
    await expect(client.login({ resource, redirectUri, openBrowser: vi.fn() })).rejects.toMatchObject({
      code: 'invalid_option',
    })
  })

  it.each([
    'http://api.example.com',
    'https://api.example.com#a',
    'https://api.example.com?a',
    'https://a@api.example.com',
    'api',
    '',
  ])('refuses the resource %j', async (resource) => {
    const client = await issuerOf()
    await expect(client.login({ resource, openBrowser: vi.fn() })).rejects.toMatchObject({ code: 'invalid_option' })
  })

  it('refuses to log in for no resource', async () => {
    const client = await issuerOf()
    await expect(client.login({ resource: [], openBrowser: vi.fn() })).rejects.toMatchObject({ code: 'invalid_option' })
  })
})
