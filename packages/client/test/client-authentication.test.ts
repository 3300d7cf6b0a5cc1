import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import {
  type ClientAuthentication,
  clientSecretBasic,
  clientSecretPost,
  oauthClient,
  type PrivateJwk,
  privateKeyJwt,
  workloadAssertion,
} from '@arctos/client'
import {
  decodeUnverifiedClientAssertion,
  importVerificationKey,
  isVerificationKey,
  Secret,
  verifyClientAssertion,
} from '@arctos/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { publicClientId, type SeenRequest, service, startAuthorizationServer } from './support/authorization-server.ts'
import { unavailable } from './support/faults.ts'
import { createWorld } from './support/world.ts'

const resource = 'https://api.example.com'

function makeJwk(): PrivateJwk {
  return { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }), kid: 'key-1' }
}

async function tokenRequestOf(clientId: string, auth?: ClientAuthentication): Promise<SeenRequest> {
  const world = createWorld()
  const server = await startAuthorizationServer(world)
  const client = oauthClient({ issuer: server.issuer, clientId, ...world, ...(auth && { auth }) })
  await client.accessToken({ resource }).catch(() => undefined)
  const [request] = server.seenAt('/token')
  if (request === undefined) throw new Error('no token request was made')
  return request
}

describe('client_secret_basic', () => {
  it('encodes identifier and secret as a form does, then as Basic [RFC 6749 §B, RFC 6749 §3.2.1(a), RFC 6749 §4.4.2(b)]', async () => {
    const { headers } = await tokenRequestOf(service.clientId, clientSecretBasic(service.secret))
    const pair = Buffer.from(headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString()
    expect(pair).toBe('reporter:s%C3%ABcret+with+space%2Bplus%3Acolon%2525')
  })

  it('uses no second method beside the header, and no URI [RFC 6749 §2.3(a), RFC 6749 §2.3.1(d)]', async () => {
    const { form, query } = await tokenRequestOf(service.clientId, clientSecretBasic(service.secret))
    expect([...form.keys()]).toEqual(['grant_type', 'resource'])
    expect([...query.keys()]).toEqual([])
  })

  it('is accepted by a server that decodes it', async () => {
    const world = createWorld()
    const { issuer } = await startAuthorizationServer(world)
    const auth = clientSecretBasic(new Secret(service.secret))
    const client = oauthClient({ issuer, clientId: service.clientId, auth, ...world })
    await expect(client.accessToken({ resource })).resolves.toBeInstanceOf(Secret)
  })

  it('refuses an empty secret', () => {
    expect(() => clientSecretBasic('')).toThrow(/empty/)
  })
})

describe('client_secret_post', () => {
  it('puts identifier and secret into the form, and nothing elsewhere [RFC 6749 §2.3(a), RFC 6749 §2.3.1(d)]', async () => {
    const { headers, form, query } = await tokenRequestOf(service.clientId, clientSecretPost(service.secret))
    expect(headers.authorization).toBeUndefined()
    expect([form.get('client_id'), form.get('client_secret')]).toEqual([service.clientId, service.secret])
    expect([...query.keys()]).toEqual([])
  })
})

describe('none', () => {
  it('only names the client', async () => {
    const { headers, form } = await tokenRequestOf(publicClientId)
    expect(headers.authorization).toBeUndefined()
    expect(form.get('client_id')).toBe(publicClientId)
  })
})

describe('private_key_jwt', () => {
  it('signs an assertion for the issuer alone that a strict verifier takes [RFC 10070, RFC 7523 §3]', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    const jwk = makeJwk()
    const client = oauthClient({ issuer: server.issuer, clientId: 'signer', auth: privateKeyJwt(jwk), ...world })
    await client.accessToken({ resource }).catch(() => undefined)

    const form = server.seenAt('/token')[0]?.form
    const { kty, crv, x, y } = jwk
    const key = importVerificationKey({ kty, crv, x, y, kid: 'key-1' } as Record<string, string>, 'signer')
    if (!isVerificationKey(key)) throw new Error(key.why)
    const assertion = decodeUnverifiedClientAssertion(form?.get('client_assertion') ?? '')
    expect(form?.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    expect(assertion.jws.header).toMatchObject({ typ: 'client-authentication+jwt', alg: 'ES256', kid: 'key-1' })
    expect(assertion.claims).toMatchObject({ iss: 'signer', sub: 'signer', aud: server.issuer })
    expect(verifyClientAssertion(assertion, [key], server.issuer, world.nowSeconds()).expiresAt).toBeLessThan(
      world.nowSeconds() + 90,
    )
  })

  it('makes a new assertion for each attempt, as a server takes each one once', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    const jwk = makeJwk()
    const { kty, crv, x, y } = jwk
    server.assertionKeys.push(createPublicKey({ key: { kty, crv, x, y } as never, format: 'jwk' }))
    // The first attempt is acted on, and its answer lost.
    server.fault('/token', ({ answer, request, response }) => {
      response.writeHead = () => response
      response.end = () => response
      answer()
      request.socket.destroy()
    })
    const client = oauthClient({ issuer: server.issuer, clientId: 'signer', auth: privateKeyJwt(jwk), ...world })
    await client.accessToken({ resource })
    const assertions = server.seenAt('/token').map(({ form }) => form.get('client_assertion'))
    expect(new Set(assertions).size).toBe(2)
  })

  it.each([
    ['EdDSA', () => generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })],
    ['RS256', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })],
    [
      'PS256',
      () => ({
        ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
        alg: 'PS256',
      }),
    ],
  ])('signs with %s', async (algorithm, makeKey) => {
    const { form } = await tokenRequestOf('signer', privateKeyJwt({ ...makeKey(), kid: 'key-1' }))
    const assertion = decodeUnverifiedClientAssertion(form.get('client_assertion') ?? '')
    expect(assertion.jws.header.alg).toBe(algorithm)
  })

  it.each([
    ['has no kid', () => ({ ...makeJwk(), kid: '' })],
    ['is public', () => ({ kty: 'EC', crv: 'P-256', x: 'a', y: 'b', kid: 'key-1' })],
    ['is symmetric', () => ({ kty: 'oct', k: 'AAAA', kid: 'key-1' })],
    ['is for another algorithm', () => ({ ...makeJwk(), alg: 'RS256' })],
    ['is damaged', () => ({ ...makeJwk(), d: 'AAAA' })],
  ])('refuses a key that %s, without quoting it', (_, makeKey) => {
    const key = makeKey() as PrivateJwk
    let refusal: unknown
    try {
      privateKeyJwt(key)
    } catch (error) {
      refusal = error
    }
    expect(refusal).toMatchObject({ code: 'invalid_option' })
    if (key.d !== undefined && key.d.length > 8) expect(inspect(refusal)).not.toContain(key.d)
  })
})

describe('every method', () => {
  it('authenticates again on a retry', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    server.fault('/token', unavailable())
    const auth = clientSecretBasic(service.secret)
    await oauthClient({ issuer: server.issuer, clientId: service.clientId, auth, ...world }).accessToken({ resource })
    expect(server.seenAt('/token').map(({ headers }) => headers.authorization?.slice(0, 6))).toEqual([
      'Basic ',
      'Basic ',
    ])
  })
})

describe('a workload assertion', () => {
  const part = (content: object) => Buffer.from(JSON.stringify(content)).toString('base64url')
  const jwtOf = (sub: string) => `${part({ alg: 'RS256' })}.${part({ sub })}.c2ln`
  const assertionOf = ({ form }: SeenRequest) => form.get('client_assertion')

  it('is sent as it is, with its type and the name of the client, and nothing beside it [RFC 7523 §2.2]', async () => {
    const { form, headers } = await tokenRequestOf('workload', workloadAssertion({ read: () => `${jwtOf('one')}\n` }))
    expect(Object.fromEntries(form)).toMatchObject({
      client_id: 'workload',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwtOf('one'),
    })
    expect([headers.authorization, form.get('client_secret')]).toEqual([undefined, null])
  })

  it('is read anew for each request, as its file is replaced', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'arctos-workload-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'token')
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    const auth = workloadAssertion({ file })
    const client = oauthClient({ issuer: server.issuer, clientId: 'workload', auth, ...world })
    for (const text of ['one', 'two']) {
      await writeFile(file, `${jwtOf(text)}\n`)
      await client.accessToken({ resource }).catch(() => undefined)
    }
    expect(server.seenAt('/token').map(assertionOf)).toEqual([jwtOf('one'), jwtOf('two')])
  })

  it('is read anew for each attempt of one request', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    server.fault('/token', unavailable())
    let count = 0
    const auth = workloadAssertion({ read: async () => jwtOf(`n${count++}`) })
    const client = oauthClient({ issuer: server.issuer, clientId: 'workload', auth, ...world })
    await client.accessToken({ resource }).catch(() => undefined)
    expect(server.seenAt('/token').map(assertionOf)).toEqual([jwtOf('n0'), jwtOf('n1')])
  })

  it('may depend on whom it is for', async () => {
    const request = await tokenRequestOf('workload', workloadAssertion({ read: ({ issuer }) => jwtOf(issuer) }))
    expect(Buffer.from(assertionOf(request)?.split('.')[1] ?? '', 'base64url').toString()).toContain('http://127')
  })

  it.each([
    ['is no JWT', () => 'not a token'],
    ['is empty', () => ''],
    ['is endless', () => jwtOf('a'.repeat(20_000))],
    ['breaks the form', () => `${jwtOf('a')}&client_id=other`],
  ])('that %s is not sent, and not quoted', async (_, read) => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    const auth = workloadAssertion({ read })
    const client = oauthClient({ issuer: server.issuer, clientId: 'workload', auth, ...world })
    const error = await client.accessToken({ resource }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'invalid_option', message: 'the workload assertion is not a signed JWT' })
    expect(server.seenAt('/token')).toEqual([])
  })

  it('whose file is missing is told by the name of the fault, and asked for again later', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    const auth = workloadAssertion({ file: join(tmpdir(), 'arctos-no-such-file') })
    const client = oauthClient({ issuer: server.issuer, clientId: 'workload', auth, ...world })
    for (let time = 0; time < 2; time++)
      await expect(client.accessToken({ resource })).rejects.toThrow(/cannot be read from its file \(ENOENT\)/)
    expect(server.seenAt('/token')).toEqual([])
  })

  it('is in no error that quotes it', async () => {
    const world = createWorld()
    const server = await startAuthorizationServer(world)
    const secret = jwtOf('anybody')
    const body = JSON.stringify({ error: 'invalid_client', error_description: `bad assertion ${secret}` })
    server.fault('/token', ({ response }) => {
      response.writeHead(401, { 'content-type': 'application/json' }).end(body)
    })
    const auth = workloadAssertion({ read: () => secret })
    const client = oauthClient({ issuer: server.issuer, clientId: 'workload', auth, ...world })
    const error = await client.accessToken({ resource }).catch((caught: unknown) => caught)
    expect(inspect(error)).toContain('[redacted]')
    expect(inspect(error)).not.toContain(secret)
  })
})
