import { inspect } from 'node:util'
import { clientSecretBasic, type DeviceCode, memoryStore, oauthClient, type Session } from '@arctos/client'
import { describe, expect, it, vi } from 'vitest'
import { publicClientId, type StrictServer, service, startAuthorizationServer } from './support/authorization-server.ts'
import { answers, cutBeforeActing, hangAfterActing, unavailable } from './support/faults.ts'
import { createWorld, type World } from './support/world.ts'

const resource = 'https://api.example.com'
const scope = 'read offline_access'
const json = { 'content-type': 'application/json' }
const deviceCode = 'device-code-that-nobody-may-see'

interface Setting {
  readonly world: World
  readonly server: StrictServer
  /** Logs in on a device; what the user is shown goes to `shown`. */
  readonly logIn: (options?: { signal?: AbortSignal; scope?: string; resource?: string[] }) => Promise<Session>
  readonly shown: DeviceCode[]
}

/** A server whose device authorization answer is this one, with changes; `undefined` leaves a member out. */
async function arrange(changes: Readonly<Record<string, unknown>> = {}): Promise<Setting> {
  const world = createWorld()
  const server = await startAuthorizationServer(world)
  server.metadata['device_authorization_endpoint'] = `${server.issuer}/device_authorization`
  const answer = {
    device_code: deviceCode,
    user_code: 'WDJBM-JHTPX',
    verification_uri: 'https://as.example.com/device',
    verification_uri_complete: 'https://as.example.com/device?user_code=WDJBM-JHTPX',
    expires_in: 600,
    interval: 5,
    ...changes,
  }
  server.fault('/device_authorization', answers(200, JSON.stringify(answer), json))
  const shown: DeviceCode[] = []
  const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world, timeoutMs: 500 })
  const logIn: Setting['logIn'] = (options) =>
    client.deviceLogin({ resource, scope, onCode: (code) => shown.push(code), ...options })
  return { world, server, logIn, shown }
}

const refuses = (error: string, status = 400) => answers(status, JSON.stringify({ error }), json)
const pending = refuses('authorization_pending')
const slowDown = refuses('slow_down')
const tokens = { access_token: 'at-1', token_type: 'Bearer', expires_in: 600, refresh_token: 'rt-1', scope }
const approved = answers(200, JSON.stringify(tokens), json)
const seconds = ({ waits }: World) => waits.map((ms) => ms / 1_000)

describe('a login on a device', () => {
  it('names client, scope and every resource, and nothing else [RFC 8628 §3.1(b), RFC 8707 §2(a)]', async () => {
    const { server, logIn } = await arrange()
    server.fault('/token', approved)
    await logIn({ resource: [resource, 'https://mail.example.com'] })
    const [request] = server.seenAt('/device_authorization')
    expect([...(request?.form ?? [])]).toEqual([
      ['scope', scope],
      ['resource', resource],
      ['resource', 'https://mail.example.com'],
      ['client_id', publicClientId],
    ])
    expect([...(request?.query.keys() ?? [])]).toEqual([])
  })

  it('shows both the code and where to type it, and until when [RFC 8628 §3.3(d), RFC 8628 §3.3.1(a)]', async () => {
    const { world, server, logIn, shown } = await arrange()
    const expiresAt = world.nowSeconds() + 600
    server.fault('/token', approved)
    await logIn()
    expect(shown).toEqual([
      {
        userCode: 'WDJBM-JHTPX',
        verificationUri: 'https://as.example.com/device',
        verificationUriComplete: 'https://as.example.com/device?user_code=WDJBM-JHTPX',
        expiresAt,
      },
    ])
  })

  it('prints it on standard error where nobody shows it [RFC 8628 §3.3.1(a)(c)]', async () => {
    const world = createWorld()
    const { server } = await arrange()
    server.fault('/token', approved)
    const print = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    try {
      await oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world }).deviceLogin({ resource })
      expect(print.mock.calls.flat().join()).toContain(
        'open https://as.example.com/device on any device and enter the code WDJBM-JHTPX',
      )
    } finally {
      print.mockRestore()
    }
  })

  it('asks for tokens by grant type and device code [RFC 8628 §3.1(e), RFC 8628 §3.4(a)]', async () => {
    const { server, logIn } = await arrange()
    server.fault('/token', approved)
    await logIn()
    expect([...(server.seenAt('/token')[0]?.form ?? [])].toSorted()).toEqual([
      ['client_id', publicClientId],
      ['device_code', deviceCode],
      ['grant_type', 'urn:ietf:params:oauth:grant-type:device_code'],
      ['resource', resource],
    ])
  })

  it('authenticates at both endpoints where the client can [RFC 8628 §3.1(b), RFC 8628 §3.4(b)]', async () => {
    const { world, server } = await arrange()
    server.fault('/token', approved)
    const auth = clientSecretBasic(service.secret)
    const client = oauthClient({ issuer: server.issuer, clientId: service.clientId, auth, ...world })
    await client.deviceLogin({ resource, onCode: () => undefined })
    for (const path of ['/device_authorization', '/token']) {
      const [request] = server.seenAt(path)
      expect([request?.headers.authorization?.split(' ')[0], request?.form.has('client_id')]).toEqual(['Basic', false])
    }
  })

  it('becomes a session that a store keeps, and that is resumed', async () => {
    const { world, server } = await arrange()
    server.fault('/token', approved)
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world })
    const store = memoryStore()
    const session = await client.deviceLogin({ resource, scope, store, onCode: () => undefined })
    expect((await session.accessToken({ resource })).reveal()).toBe('at-1')
    expect((await (await client.resume({ store }))?.accessToken({ resource }))?.reveal()).toBe('at-1')
  })
})

describe('polling', () => {
  it('waits the interval before each poll, the first one too [RFC 8628 §3.5(b)(j)]', async () => {
    const { world, server, logIn } = await arrange({ interval: 7 })
    server.fault('/token', pending, pending, approved)
    await logIn()
    expect(seconds(world)).toEqual([7, 7, 7])
  })

  it.each([
    ['is missing', undefined],
    ['is a text', '1'],
    ['is zero', 0],
    ['is negative', -5],
  ])('waits 5 s where the interval %s [RFC 8628 §3.2(b)]', async (_, interval) => {
    const { world, server, logIn } = await arrange({ interval })
    server.fault('/token', approved)
    await logIn()
    expect(seconds(world)).toEqual([5])
  })

  it('slows down by 5 s for good, each time it is told to [RFC 8628 §3.5(c)]', async () => {
    const { world, server, logIn } = await arrange()
    server.fault('/token', slowDown, pending, slowDown, pending, approved)
    await logIn()
    expect(seconds(world)).toEqual([5, 10, 10, 15, 15])
  })

  it('goes on after connections that fail, less and less often, and at its pace after an answer [RFC 8628 §3.5(g)(h)]', async () => {
    const { world, server, logIn } = await arrange()
    const broken = [cutBeforeActing, hangAfterActing, cutBeforeActing, cutBeforeActing, cutBeforeActing]
    server.fault('/token', ...broken, pending, approved)
    await logIn()
    expect(seconds(world)).toEqual([5, 10, 20, 40, 60, 60, 5])
  })

  it('is less often after a failure also where the interval is long [RFC 8628 §3.5(g)]', async () => {
    const { world, server, logIn } = await arrange({ interval: 70 })
    server.fault('/token', cutBeforeActing, cutBeforeActing, pending, approved)
    await logIn()
    expect(seconds(world)).toEqual([70, 140, 140, 70])
  })

  it('waits as long as the server asks it to when it cannot answer now', async () => {
    const { world, server, logIn } = await arrange()
    server.fault('/token', unavailable({ 'retry-after': '90' }), refuses('temporarily_unavailable', 429), approved)
    await logIn()
    expect(seconds(world)).toEqual([5, 90, 60])
  })

  it.each(['invalid_grant', 'access_denied', 'invalid_client', 'unsupported_grant_type'])(
    'stops at %s, and says so [RFC 8628 §3.5(f)(k)]',
    async (error) => {
      const { server, logIn } = await arrange()
      server.fault('/token', pending, refuses(error, error === 'invalid_client' ? 401 : 400))
      await expect(logIn()).rejects.toMatchObject({ code: 'oauth_error', error })
      expect(server.seenAt('/token')).toHaveLength(2)
    },
  )

  it('stops when the server says that the code expired, and begins nothing by itself [RFC 8628 §3.5(e)(i)]', async () => {
    const { server, logIn } = await arrange()
    server.fault('/token', refuses('expired_token'))
    await expect(logIn()).rejects.toMatchObject({ code: 'login_timeout' })
    expect(server.seenAt('/device_authorization')).toHaveLength(1)
  })

  it('stops when the code has expired, whatever the server says', async () => {
    const { world, server, logIn } = await arrange({ expires_in: 12 })
    server.fault('/token', ...Array.from({ length: 9 }, () => pending))
    await expect(logIn()).rejects.toMatchObject({ code: 'login_timeout' })
    expect(seconds(world)).toEqual([5, 5, 2])
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it('stops at the expiry while no connection succeeds', async () => {
    const { server, logIn } = await arrange({ expires_in: 60 })
    server.fault('/token', ...Array.from({ length: 9 }, () => cutBeforeActing))
    await expect(logIn()).rejects.toMatchObject({ code: 'login_timeout' })
  })

  it('waits no longer than an hour for a code that is good for ever', async () => {
    const { world, server, logIn } = await arrange({ expires_in: 1e99, interval: 1e9 })
    const begun = world.nowSeconds()
    await expect(logIn()).rejects.toMatchObject({ code: 'login_timeout' })
    expect(world.nowSeconds() - begun).toBe(3_600)
    expect(server.seenAt('/token')).toEqual([])
  })
})

describe('giving up', () => {
  it('ends the waiting at once, with the reason of the caller', async () => {
    const { server } = await arrange()
    const giveUp = new AbortController()
    // A real wait, which only the signal can end before the test does.
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId })
    const reason = new Error('the user went away')
    const login = client.deviceLogin({ resource, onCode: () => giveUp.abort(reason), signal: giveUp.signal })
    await expect(login).rejects.toBe(reason)
    expect(server.seenAt('/token')).toEqual([])
  })

  it('works while it waits, and where the given wait knows no signal', async () => {
    const { server } = await arrange()
    const giveUp = new AbortController()
    const wait = () => {
      queueMicrotask(() => giveUp.abort())
      return new Promise<never>(() => undefined)
    }
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, wait })
    const login = client.deviceLogin({ resource, onCode: () => undefined, signal: giveUp.signal })
    await expect(login).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('before it began sends nothing', async () => {
    const { server, logIn } = await arrange()
    await expect(logIn({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.seen).toEqual([])
  })
})

describe('a hostile answer', () => {
  it.each([
    ['no device_code', { device_code: undefined }],
    ['a device_code of control characters', { device_code: 'a\u001b[2Jb' }],
    ['an endless device_code', { device_code: 'a'.repeat(5_000) }],
    ['no user_code', { user_code: undefined }],
    ['a user_code that moves the cursor', { user_code: 'A\u001b[1A' }],
    ['a user_code that is a letter to the user', { user_code: 'Please send your password to us. '.repeat(3) }],
    ['no verification_uri', { verification_uri: undefined }],
    ['a script', { verification_uri: 'javascript:alert(1)' }],
    ['a plain http page', { verification_uri: 'http://as.example.com/device' }],
    ['a shell', { verification_uri: 'https://as.example.com/$(id)' }],
    ['a user in the address', { verification_uri: 'https://as.example.com@evil.example/device' }],
    ['a file behind the QR code', { verification_uri_complete: 'file:///etc/passwd' }],
    ['an address that is none', { verification_uri_complete: 7 }],
    ['no expires_in', { expires_in: undefined }],
    ['expires_in as text', { expires_in: '600' }],
    ['a negative expires_in', { expires_in: -1 }],
  ])('with %s is refused, and nobody is shown anything [RFC 8628 §3.2(a)]', async (_, changes) => {
    const { server, logIn, shown } = await arrange(changes)
    await expect(logIn()).rejects.toMatchObject({ code: 'answer_refused' })
    expect([shown, server.seenAt('/token')]).toEqual([[], []])
  })

  it('that is HTML or a redirect is refused', async () => {
    const world = createWorld()
    for (const fault of [answers(200, '<html>'), answers(302, '', { location: 'https://evil.example' })]) {
      const server = await startAuthorizationServer(world)
      server.metadata['device_authorization_endpoint'] = `${server.issuer}/device_authorization`
      server.fault('/device_authorization', fault)
      const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world })
      await expect(client.deviceLogin({ resource })).rejects.toMatchObject({ code: 'answer_refused' })
    }
  })

  it.each([
    ['is not there', undefined],
    ['is not protected', 'http://as.example.com/device_authorization'],
    ['sends our parameters elsewhere', 'https://as.example.com/d?device_code=1'],
  ])('of the metadata: an endpoint that %s is not used [RFC 8628 §3.1(a)]', async (_, endpoint) => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    server.metadata['device_authorization_endpoint'] = endpoint
    const client = oauthClient({ issuer: server.issuer, clientId: publicClientId, ...world })
    await expect(client.deviceLogin({ resource })).rejects.toMatchObject({ code: 'metadata_refused' })
    expect(server.seenAt('/device_authorization')).toEqual([])
  })

  it('that quotes the device code does not get it into an error', async () => {
    const { server, logIn } = await arrange()
    const body = JSON.stringify({ error: 'invalid_grant', error_description: `unknown code ${deviceCode}` })
    server.fault('/token', answers(400, body, json))
    const error = await logIn().catch((caught: unknown) => caught)
    expect(inspect(error)).not.toContain(deviceCode)
  })
})
