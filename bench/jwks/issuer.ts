// An issuer with a real key set endpoint, whose answers are set from outside.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const audience = 'https://api.example.com'
/** How long an answer may be used, by its own word: short, so that nobody waits long for it to pass. */
export const maxAgeSeconds = 1

export interface IssuerKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly jwk: Record<string, unknown>
}

export interface Issuer {
  readonly issuer: string
  readonly jwksUri: string
  readonly key: IssuerKey
  /** What the key set holds. */
  published: Record<string, unknown>[]
  behaviour: 'answers' | 'fails' | 'hangs'
  /** Requests to the key set so far. */
  readonly hits: () => number
  readonly token: (key?: IssuerKey, kid?: string) => string
  readonly close: () => Promise<void>
}

/** What the endpoint needs to answer, in milliseconds: as over a short way. */
const latencyMs = 2

export function makeKey(): IssuerKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const kid = randomBytes(8).toString('hex')
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' } }
}

export async function startIssuer(): Promise<Issuer> {
  const key = makeKey()
  const waiting = new Set<ServerResponse>()
  let hits = 0
  const server = createServer((_request, response) => {
    hits += 1
    if (self.behaviour === 'hangs') return void waiting.add(response)
    setTimeout(() => answer(response), latencyMs)
  })
  const answer = (response: ServerResponse): void => {
    const headers = { 'content-type': 'application/json', 'cache-control': `max-age=${maxAgeSeconds}` }
    if (self.behaviour === 'fails') response.writeHead(500).end()
    else response.writeHead(200, headers).end(JSON.stringify({ keys: self.published }))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const self: Issuer = {
    issuer,
    jwksUri: `${issuer}/jwks`,
    key,
    published: [key.jwk],
    behaviour: 'answers',
    hits: () => hits,
    token: (signer = key, kid = signer.kid) => makeToken(issuer, signer, kid),
    async close() {
      for (const response of waiting) response.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return self
}

function makeToken(issuer: string, { privateKey }: IssuerKey, kid: string): string {
  const now = Math.floor(Date.now() / 1_000)
  const header = { alg: 'ES256', kid, typ: 'at+jwt' }
  const claims = { iss: issuer, aud: audience, sub: 'user-1', client_id: 'client-1', jti: 'token-1', scope: 'read' }
  const input = [header, { ...claims, iat: now, exp: now + 600 }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}
