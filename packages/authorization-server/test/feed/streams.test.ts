import { codeChallengeOf } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isAllowedEndpoint } from '../../src/push-endpoint.ts'
import { ownToken, tokensOf } from '../endpoints/flows.ts'
import { basic, callback, type Installation, install, notes, registerClient } from '../endpoints/installation.ts'
import { type Receiver, receiverOf } from './receiver.ts'

const push = 'urn:ietf:rfc:8935'
const hook = 'https://receiver.example/hooks'
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

let site: Installation
let guard: Receiver
let watcher: Receiver
beforeAll(async () => {
  site = await install()
  const settings = { grantTypes: [], redirectUris: [], receivesEvents: true, pushEndpoints: [hook] } as const
  await registerClient(site.store, 'watcher', { ...settings, grantTypes: [], redirectUris: [], pushEndpoints: [hook] })
  guard = await receiverOf(site, 'notes-api')
  watcher = await receiverOf(site, 'watcher')
})
afterAll(() => site.end())

describe('the transmitter', () => {
  it('says what it offers, where SSF looks [SSF §7.1, RFC 8936 §2]', async () => {
    const { body, headers } = await site.send('/.well-known/ssf-configuration')
    const { issuer } = site
    expect(headers.get('content-type')).toBe('application/json')
    expect(body).toEqual({
      spec_version: '1_0',
      issuer,
      jwks_uri: `${issuer}/ssf/jwks`,
      delivery_methods_supported: ['urn:ietf:rfc:8936', push],
      configuration_endpoint: `${issuer}/ssf/streams`,
      status_endpoint: `${issuer}/ssf/status`,
      add_subject_endpoint: `${issuer}/ssf/subjects/add`,
      remove_subject_endpoint: `${issuer}/ssf/subjects/remove`,
      verification_endpoint: `${issuer}/ssf/verify`,
      critical_subject_members: ['actor'],
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
      default_subjects: 'ALL',
      arctos_snapshot_endpoint: `${issuer}/ssf/snapshot`,
    })
  })

  it('publishes keys of its own, RSA of 2048 bits for RS256 [CAEP interop §2.6]', async () => {
    const { keys } = (await site.send('/ssf/jwks')).body as { readonly keys: readonly Record<string, string>[] }
    expect(keys.map(({ kty, alg, use }) => [kty, alg, use])).toEqual([['RSA', 'RS256', 'sig']])
    expect(Buffer.from(keys[0]?.['n'] ?? '', 'base64url')).toHaveLength(256)
    const tokens = (await site.send('/jwks')).body as { readonly keys: readonly Record<string, string>[] }
    expect(tokens.keys.map(({ kid }) => kid)).not.toContain(keys[0]?.['kid'])
  })

  it('changes its key like the one of tokens: published before it signs, and after [SSF §7.1]', async () => {
    const other = await install()
    const kids = async () => {
      const { keys } = (await other.send('/ssf/jwks')).body as { readonly keys: readonly { readonly kid: string }[] }
      return keys.map(({ kid }) => kid)
    }
    const { keys } = other.server.context
    const [first] = await kids()
    const turn = async (seconds: number) => {
      other.clock.pass(seconds)
      await keys.maintain()
      await keys.maintainEvents()
      return [await kids(), (await keys.eventKey()).kid]
    }
    expect(await turn(86_400)).toEqual([[first], first])
    const [both, signing] = await turn(30 * 86_400)
    expect([both?.length, signing]).toEqual([2, first])
    const second = both?.[1]
    expect(await turn(121)).toEqual([[first, second], second])
    expect(await turn(86_401)).toEqual([[second], second])
    await other.end()
  })

  it('lies below an issuer with a path, and its metadata before that path [SSF §7.2, RFC 9728 §3.1(a)]', async () => {
    const issuer = 'https://issuer.example/tenant/7'
    const tenant = await install({ issuer })
    const { body } = await tenant.send('/.well-known/ssf-configuration/tenant/7')
    expect([body['issuer'], body['configuration_endpoint']]).toEqual([issuer, `${issuer}/ssf/streams`])
    const own = await tenant.send('/.well-known/oauth-protected-resource/tenant/7/ssf')
    expect(own.body['resource']).toBe(`${issuer}/ssf`)
    const below = (path: string, init?: RequestInit) => tenant.send(`/tenant/7${path}`, init)
    const receiver = await receiverOf(
      { issuer, send: below, post: (path, form, headers) => tenant.post(`/tenant/7${path}`, form, headers) },
      'notes-api',
    )
    const { stream_id, delivery } = await receiver.stream()
    expect(delivery).toMatchObject({ endpoint_url: `${issuer}/ssf/poll/${stream_id}` })
    expect((await receiver.poll(String(stream_id))).reply.status).toBe(200)
    expect((await tenant.send('/.well-known/ssf-configuration')).status).toBe(404)
    await tenant.end()
  })

  it('is a protected resource, listed by the server and nowhere to be consented to [RFC 9728 §4]', async () => {
    const feed = `${site.issuer}/ssf`
    const metadata = (await site.send('/.well-known/oauth-authorization-server')).body
    expect(metadata['protected_resources']).toContain(feed)
    expect(metadata['scopes_supported']).not.toContain('ssf.read')
    const own = (await site.send('/.well-known/oauth-protected-resource/ssf')).body
    expect([own['resource'], own['scopes_supported']]).toEqual([feed, ['ssf.read', 'ssf.manage']])
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: 'app',
      redirect_uri: callback,
      code_challenge: codeChallengeOf('v'.repeat(43)),
      code_challenge_method: 'S256',
      resource: feed,
      scope: 'ssf.read',
    })
    const asked = await site.send(`/authorize?${query}`)
    expect(asked.headers.get('location')).toMatch(/error=invalid_target/)
  })
})

describe('a token for the feed', () => {
  const form = { grant_type: 'client_credentials' }
  const feed = () => `${site.issuer}/ssf`

  it('is given to resource servers and receivers, and to nobody else', async () => {
    const asked = { ...form, resource: feed() }
    const answers = await Promise.all(
      ['notes-api', 'watcher', 'machine'].map((id) => site.post('/token', asked, basic(id))),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400])
    expect(answers[2]?.reason).toBe('resource.unknown')
    expect(answers[0]?.body['scope']).toBe('ssf.read ssf.manage')
  })

  it('needs no resource where only scopes of the feed are asked for', async () => {
    const asked = await site.post('/token', { ...form, scope: 'ssf.manage' }, basic('watcher'))
    expect([asked.status, asked.body['scope']]).toEqual([200, 'ssf.manage'])
    expect((await site.post('/token', { ...form, scope: 'ssf.manage' }, basic('machine'))).reason).toBe('scope.unknown')
  })

  it.each([
    ['another resource', { resource: notes }],
    ['none', {}],
    ['none, and a scope of an API', { scope: 'read' }],
  ])('is all that a resource server gets: not for %s [RFC 6749 §4.4.2]', async (_name, wanted) => {
    expect((await site.post('/token', { ...form, ...wanted }, basic('notes-api'))).reason).toBe(
      'client.grant_type_not_allowed',
    )
  })

  it('is for the feed alone', async () => {
    const both = await site.post('/token', { ...form, resource: [feed(), notes] }, basic('watcher'))
    expect(both.reason).toBe('resource.unknown')
  })
})

describe('who may call', () => {
  it('shows a token in the header, or is told how [RFC 6750 §2.1, RFC 6750 §3(b)]', async () => {
    const bare = await site.send('/ssf/streams')
    expect([bare.status, bare.reason, bare.headers.get('www-authenticate')]).toEqual([
      401,
      'credentials.missing',
      `Bearer realm="${site.issuer}/ssf", scope="ssf.read"`,
    ])
    expect(bare.body).toEqual({ err: 'authentication_failed', description: '' })
    const query = await site.send(`/ssf/streams?access_token=${guard.token}`)
    expect(query.reason).toBe('credentials.missing')
    const odd = await site.send('/ssf/streams', { headers: { authorization: 'Bearer a b' } })
    expect([odd.status, odd.reason]).toEqual([400, 'credentials.malformed'])
  })

  it('brings a token for the feed, unaltered, unexpired and not taken back [RFC 6750 §3.1, CAEP interop §2.7.3]', async () => {
    const token = async (id: string) => (await receiverOf(site, id)).token
    const refused = async (text: string) => (await guard.ask('/ssf/streams', { token: text })).reason
    expect(await refused(`${guard.token.slice(0, -8)}AAAAAAAA`)).toBe('token.signature')
    expect(await refused(tokensOf(await ownToken(site)).access)).toBe('token.audience')
    const revoked = await token('archive-api')
    expect(await refused(revoked)).toBeUndefined()
    const ended = await site.post('/revoke', { token: revoked }, basic('archive-api'))
    expect([ended.status, await refused(revoked)]).toEqual([200, 'token.revoked'])
    const late = await token('watcher')
    site.clock.pass(601)
    expect(await refused(late)).toBe('token.expired')
    guard = await receiverOf(site, 'notes-api')
    watcher = await receiverOf(site, 'watcher')
  })

  it('has the scope that it takes [RFC 6750 §3.1]', async () => {
    const form = { grant_type: 'client_credentials', resource: `${site.issuer}/ssf`, scope: 'ssf.read' }
    const token = String((await site.post('/token', form, basic('watcher'))).body['access_token'])
    expect((await watcher.ask('/ssf/streams', { token })).status).toBe(200)
    const refused = await watcher.ask('/ssf/streams', { token, method: 'POST', body: {} })
    expect([refused.status, refused.reason, refused.body['err']]).toEqual([403, 'token.scope', 'access_denied'])
    expect(refused.headers.get('www-authenticate')).toMatch(/error="insufficient_scope".*scope="ssf.manage"/)
  })

  it('still is a receiver [SSF §8.1.1.1]', async () => {
    const settings = { redirectUris: [], grantTypes: [], receivesEvents: true } as const
    await registerClient(site.store, 'former', { ...settings, grantTypes: [], redirectUris: [] })
    const former = await receiverOf(site, 'former')
    expect((await former.ask('/ssf/streams')).status).toBe(200)
    const client = await site.store.readClient('former')
    if (client === undefined) throw new Error('no client')
    const { receivesEvents: _, ...others } = client.settings
    await site.store.updateClient({ id: 'former', settings: others, actor: 'test' })
    const refused = await former.ask('/ssf/streams')
    expect([refused.status, refused.reason]).toEqual([403, 'feed.not_receiver'])
  })
})

describe('a stream', () => {
  it('is made with what the receiver chose and what the transmitter decides [SSF §8.1.1.1]', async () => {
    const made = await guard.stream({
      events_requested: [sessionRevoked, 'urn:example:unknown'],
      description: 'one process',
    })
    const id = String(made['stream_id'])
    expect(made).toMatchObject({
      iss: site.issuer,
      aud: notes,
      events_requested: [sessionRevoked, 'urn:example:unknown'],
      events_delivered: [sessionRevoked],
      delivery: { method: 'urn:ietf:rfc:8936', endpoint_url: `${site.issuer}/ssf/poll/${id}` },
      min_verification_interval: 10,
      inactivity_timeout: 600,
      description: 'one process',
    })
    expect((await guard.ask(`/ssf/streams?stream_id=${id}`)).body).toEqual(made)
    const all = (await guard.ask('/ssf/streams')).body as unknown as readonly { readonly stream_id: string }[]
    expect(all.map(({ stream_id }) => stream_id)).toContain(id)
    expect((await watcher.stream())['aud']).toBe('watcher')
  })

  it('is changed in parts by PATCH, and as a whole by PUT [SSF §8.1.1.3, SSF §8.1.1.4]', async () => {
    const { stream_id } = await guard.stream({ events_requested: [sessionRevoked], description: 'before' })
    const change = (method: string, body: object) => guard.ask('/ssf/streams', { method, body: { stream_id, ...body } })
    const patched = await change('PATCH', { description: 'after' })
    expect([patched.body['description'], patched.body['events_requested']]).toEqual(['after', [sessionRevoked]])
    const put = await change('PUT', { description: 'whole' })
    expect([put.body['description'], put.body['events_requested']]).toEqual(['whole', undefined])
    // What the transmitter decides may be repeated, but not changed.
    expect((await change('PATCH', { aud: [notes], iss: site.issuer })).status).toBe(200)
    const wrong = await change('PATCH', { aud: 'https://other.example' })
    expect([wrong.status, wrong.reason]).toEqual([400, 'feed.property_mismatch'])
  })

  it('is gone once deleted [SSF §8.1.1.5]', async () => {
    const { stream_id } = await guard.stream()
    const gone = await guard.ask(`/ssf/streams?stream_id=${stream_id}`, { method: 'DELETE' })
    expect([gone.status, gone.text]).toEqual([204, ''])
    expect((await guard.ask(`/ssf/streams?stream_id=${stream_id}`)).status).toBe(404)
  })

  it('of another client is as unknown as none [SSF §8.1.1.2, RFC 8936 §3]', async () => {
    const { stream_id } = await watcher.stream()
    const answers = await Promise.all(
      [String(stream_id), 'never-was'].flatMap((id) => [
        guard.ask(`/ssf/streams?stream_id=${id}`),
        guard.ask('/ssf/streams', { method: 'PATCH', body: { stream_id: id } }),
        guard.ask(`/ssf/streams?stream_id=${id}`, { method: 'DELETE' }),
        guard.ask(`/ssf/status?stream_id=${id}`),
        guard.ask('/ssf/status', { method: 'POST', body: { stream_id: id, status: 'paused' } }),
        guard.ask('/ssf/verify', { method: 'POST', body: { stream_id: id } }),
        guard.ask('/ssf/subjects/remove', {
          method: 'POST',
          body: { stream_id: id, subject: { format: 'opaque', id } },
        }),
        guard.ask(`/ssf/snapshot?stream_id=${id}`),
        guard.ask(`/ssf/poll/${id}`, { method: 'POST', body: {} }),
      ]),
    )
    const expected = [404, 'feed.stream_unknown', '{"err":"invalid_request","description":"There is no such stream."}']
    for (const { status, reason, text } of answers) expect([status, reason, text]).toEqual(expected)
  })

  it('goes when nobody used it for its time, and frees its place [SSF §8.1.1]', async () => {
    const { stream_id } = await guard.stream()
    site.clock.pass(601)
    guard = await receiverOf(site, 'notes-api')
    expect((await guard.ask(`/ssf/streams?stream_id=${stream_id}`)).status).toBe(404)
    await site.store.purgeExpired(500)
    expect(await site.store.listStreams('notes-api')).toEqual([])
    watcher = await receiverOf(site, 'watcher')
  })

  it('goes with its client', async () => {
    const settings = { grantTypes: [], redirectUris: [], receivesEvents: true as const }
    await registerClient(site.store, 'short-lived', settings)
    const { stream_id } = await (await receiverOf(site, 'short-lived')).stream()
    await site.store.deleteClient({ id: 'short-lived', actor: 'test', initiator: 'admin' } as never)
    await registerClient(site.store, 'short-lived', settings)
    site.clock.pass(5)
    const another = await receiverOf(site, 'short-lived')
    expect((await another.ask(`/ssf/streams?stream_id=${stream_id}`)).status).toBe(404)
  })

  it('goes when its client guards another resource, or receives no more events', async () => {
    const [usual, receives] = [{ grantTypes: [], redirectUris: [] }, { receivesEvents: true as const }]
    await registerClient(site.store, 'moving', { ...usual, ...receives })
    const seen = async (settings: object): Promise<number> => {
      const moving = await receiverOf(site, 'moving')
      const { stream_id } = await moving.stream()
      const registered = await site.store.readClient('moving')
      if (registered === undefined) throw new Error('there is no such client')
      const { receivesEvents: _, resourceServerOf: __, ...others } = registered.settings
      await site.store.updateClient({ id: 'moving', settings: { ...others, ...settings }, actor: 'test' })
      const streams = await site.store.listStreams('moving')
      return streams.filter(({ id }) => id === stream_id).length
    }
    expect(await seen({ ...receives, name: 'Moving' })).toBe(1)
    expect(await seen({ resourceServerOf: notes })).toBe(0)
    expect(await seen({ resourceServerOf: notes, name: 'Moved' })).toBe(1)
    expect(await seen({ resourceServerOf: 'https://archive.example' })).toBe(0)
    expect(await seen({})).toBe(0)
  })

  it('is one of so many, and no more [SSF §8.1.1.1]', async () => {
    const wanted = { clientId: 'archive-api', method: 'poll', settings: {}, timeoutSeconds: 600, limit: 500 } as const
    for (let at = 0; at < 500; at += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, of) => site.store.createStream({ ...wanted, id: `s${at + of}` })),
      )
    const archive = await receiverOf(site, 'archive-api')
    const refused = await archive.ask('/ssf/streams', { method: 'POST', body: {} })
    expect([refused.status, refused.reason]).toEqual([409, 'feed.too_many_streams'])
    await archive.ask('/ssf/streams?stream_id=s7', { method: 'DELETE' })
    expect((await archive.ask('/ssf/streams', { method: 'POST', body: {} })).status).toBe(201)
  })

  it.each([
    ['no JSON', 'POST', '/ssf/streams', '{"description":'],
    ['a member twice', 'POST', '/ssf/streams', '{"description":"a","description":"b"}'],
    ['a description that is no text', 'POST', '/ssf/streams', { description: 7 }],
    ['events that are no list', 'POST', '/ssf/streams', { events_requested: 'all' }],
    ['a delivery that is no object', 'POST', '/ssf/streams', { delivery: 'poll' }],
    ['a push without an address', 'POST', '/ssf/streams', { delivery: { method: push } }],
    [
      'a header of two lines',
      'POST',
      '/ssf/streams',
      { delivery: { method: push, endpoint_url: hook, authorization_header: 'a\r\nb: c' } },
    ],
    ['a change of no stream', 'PATCH', '/ssf/streams', {}],
    ['another status', 'POST', '/ssf/status', { status: 'stopped' }],
    ['a reason that is no text', 'POST', '/ssf/status', { status: 'paused', reason: {} }],
    ['a state that is too long', 'POST', '/ssf/verify', { state: 'x'.repeat(1_001) }],
    ['a subject without a format', 'POST', '/ssf/subjects/remove', { subject: { id: 'a' } }],
    [
      'a complex subject in another',
      'POST',
      '/ssf/subjects/add',
      { subject: { format: 'complex', user: { format: 'complex' } } },
    ],
  ])('cannot be had with %s [SSF §8.1.1.1]', async (_name, method, path, body) => {
    const { stream_id } = await watcher.stream()
    const named = typeof body === 'string' || path === '/ssf/streams' ? body : { stream_id, ...body }
    const refused = await watcher.ask(path, { method, body: named })
    expect([refused.status, refused.reason, refused.body['err']]).toEqual([400, 'feed.malformed', 'invalid_request'])
  })

  it.each([
    ['by another method', { method: 'urn:example:pigeon' }],
    ['to an address that nobody registered', { method: push, endpoint_url: 'https://inside.example/' }],
  ])('does not deliver %s [SSF §8.1.1.1, RFC 8935 §3]', async (_name, delivery) => {
    const refused = await watcher.ask('/ssf/streams', { method: 'POST', body: { delivery } })
    expect([refused.status, refused.reason]).toEqual([400, 'feed.delivery_refused'])
  })
})

describe('an address to push to', () => {
  it.each([
    [hook, true],
    [`${hook}/7?a=b`, true],
    ['https://receiver.example/hooksome', false],
    ['https://receiver.example/hooks/../admin', false],
    ['https://receiver.example/hooks/%2e%2e/admin', false],
    ['https://receiver.example:8443/hooks', false],
    ['http://receiver.example/hooks', false],
    ['https://user@receiver.example/hooks', false],
    ['https://receiver.example@evil.example/hooks', false],
    ['https://receiver.example/hooks#x', false],
    ['//receiver.example/hooks', false],
  ])('%s is at or below the registered one: %s', (url, isAllowed) => {
    expect(isAllowedEndpoint([hook], url)).toBe(isAllowed)
  })

  it.each(['http://receiver.example/', 'ftp://receiver.example/', 'https://user:pass@receiver.example/', 'nowhere'])(
    'is registered only where it is safe: not %s',
    async (url) => {
      await expect(
        registerClient(site.store, `odd ${url}`, { receivesEvents: true, pushEndpoints: [url] }),
      ).rejects.toThrow()
    },
  )
})
