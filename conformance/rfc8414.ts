// RFC 8414: OAuth 2.0 Authorization Server Metadata.
import { expect } from 'vitest'
import { jsonOf, send } from './driver/http.ts'
import { endpointOf, listOf, metadataOf, oauthMetadataUrl } from './driver/issuer.ts'
import { scenario } from './driver/scenario.ts'

const loopback = ['localhost', '127.0.0.1', '[::1]']

/** TLS, or a plain connection that never leaves the machine. */
function isSafe(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && loopback.includes(hostname))
}

scenario(
  'serves the metadata as JSON at the well-known address of the issuer [RFC 8414 §3, RFC 8414 §3.2]',
  [],
  async (env) => {
    const answer = await send(oauthMetadataUrl(env.ISSUER))
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/)
  },
)

scenario('names the very issuer that was asked for [RFC 8414 §3.3]', [], async (env) => {
  expect(jsonOf(await send(oauthMetadataUrl(env.ISSUER)))['issuer']).toBe(env.ISSUER)
})

scenario('has an issuer on TLS or loopback, without query and fragment [RFC 8414 §2]', [], async (env) => {
  expect(isSafe(env.ISSUER)).toBe(true)
  expect(env.ISSUER).not.toMatch(/[?#]/)
})

scenario('lists the members that every server has to [RFC 8414 §2]', [], async (env) => {
  const metadata = await metadataOf(env.ISSUER)
  expect(metadata['response_types_supported']).toEqual(expect.arrayContaining(['code']))
  expect(typeof metadata['authorization_endpoint']).toBe('string')
  expect(typeof metadata['token_endpoint']).toBe('string')
})

scenario('leaves lists without elements out [RFC 8414 §3.2]', [], async (env) => {
  const empty = Object.entries(await metadataOf(env.ISSUER)).filter(
    ([, value]) => Array.isArray(value) && value.length === 0,
  )
  expect(empty).toEqual([])
})

scenario(
  'publishes endpoints on TLS or loopback and without fragment [RFC 6749 §3.1(c), RFC 6749 §3.2(c), RFC 7009 §2(b)]',
  [],
  async (env) => {
    const metadata = await metadataOf(env.ISSUER)
    for (const [name, value] of Object.entries(metadata)) {
      if (!/_endpoint$|^jwks_uri$/.test(name)) continue
      expect(isSafe(String(value)), `${name}: ${value}`).toBe(true)
      expect(String(value), name).not.toContain('#')
    }
  },
)

scenario(
  'names signing algorithms for assertions, and never none, where it takes them [RFC 8414 §2]',
  [],
  async (env, context) => {
    const methods = (await listOf(env.ISSUER, 'token_endpoint_auth_methods_supported')) ?? []
    if (!methods.some((method) => method.endsWith('_jwt'))) context.skip('no client authentication by assertion')
    const algorithms = await listOf(env.ISSUER, 'token_endpoint_auth_signing_alg_values_supported')
    expect(algorithms?.length).toBeGreaterThan(0)
    expect(algorithms).not.toContain('none')
  },
)

scenario('serves public keys only, each with an id of its own [RFC 8414 §2, RFC 7517 §4.5]', [], async (env) => {
  const answer = await send(await endpointOf(env.ISSUER, 'jwks_uri'))
  expect(answer.status).toBe(200)
  const keys = jsonOf(answer)['keys'] as Record<string, unknown>[]
  expect(keys.length).toBeGreaterThan(0)
  for (const key of keys) {
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']) expect(Object.keys(key)).not.toContain(secret)
    expect(key['kty']).not.toBe('oct')
  }
  expect(new Set(keys.map((key) => key['kid'])).size).toBe(keys.length)
})

scenario('says what its signing keys are for, where it also publishes others [RFC 8414 §2]', [], async (env) => {
  const keys = jsonOf(await send(await endpointOf(env.ISSUER, 'jwks_uri')))['keys'] as Record<string, unknown>[]
  const uses = keys.map((key) => key['use'])
  if (uses.includes('enc')) expect(uses).not.toContain(undefined)
})

scenario('has keys of a strength that holds [RFC 7518 §3.3, RFC 8725 §3.5]', [], async (env) => {
  const keys = jsonOf(await send(await endpointOf(env.ISSUER, 'jwks_uri')))['keys'] as Record<string, string>[]
  for (const { kty, n = '', e = '', crv } of keys) {
    if (kty === 'RSA') {
      expect(Buffer.from(n, 'base64url').byteLength).toBeGreaterThanOrEqual(256)
      expect(['AQAB', 'AAEAAQ']).toContain(e)
    } else expect(crv).toMatch(/^(P-256|P-384|P-521|Ed25519|Ed448|secp256k1)$/)
  }
})
