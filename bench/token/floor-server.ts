// What every server on node:http pays, whatever it does: reads a form, answers constant JSON, or one with a fresh signature.
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { floorPaths, type ServerMessage, setting } from './setting.ts'

const jwksPath = '/jwks'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'floor' }] })
const header = encode({ alg: 'ES256', kid: 'floor', typ: 'at+jwt' })
// As long as the claims of the other servers, or the answer would be cheaper to write.
const payload = encode({
  iss: 'http://localhost:4000',
  sub: setting.client.id,
  aud: setting.jwtResource,
  client_id: setting.client.id,
  scope: setting.scope,
  iat: 1_800_000_000,
  exp: 1_800_000_000 + setting.lifetimeSeconds,
  jti: 'a-constant-id-of-some-length',
})
const input = Buffer.from(`${header}.${payload}`)
const constant = answerWith(signature())

const http = createServer((incoming, outgoing) => {
  incoming.resume()
  incoming.on('end', () => {
    const body = answerTo(incoming.url)
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  })
}).listen(0, '127.0.0.1')
await once(http, 'listening')
const { port } = http.address() as AddressInfo
process.on('disconnect', () => process.exit())
process.send?.({
  ready: { port, tokenPath: floorPaths.signed, introspectPath: '', jwksPath },
} satisfies ServerMessage)

function answerTo(url: string | undefined): string {
  if (url === floorPaths.constant) return constant
  return url === jwksPath ? jwks : answerWith(signature())
}

function answerWith(token: string): string {
  const { lifetimeSeconds, scope } = setting
  return JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: lifetimeSeconds, scope })
}

function signature(): string {
  const bytes = sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${header}.${payload}.${bytes.toString('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
