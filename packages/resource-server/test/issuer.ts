import { constants, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The resource that good tokens of these tests are for. */
export const resource = 'https://api.example.com'

/** A key pair of the issuer: one half signs, the other is published. */
export interface IssuerKey {
  readonly kid: string
  readonly algorithm: 'ES256' | 'EdDSA' | 'RS256' | 'PS256'
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Record<string, unknown>
}

export type Overrides = Readonly<Record<string, unknown>>

/** A small authorization server: real keys, a real key set, real HTTP. Its behaviour is set from outside, at any time. */
export interface Issuer {
  readonly issuer: string
  readonly jwksUri: string
  /** How many requests came to each path. */
  readonly hits: Map<string, number>
  /** What the key set holds. */
  published: Record<string, unknown>[]
  /** Replaces the answer of a path. */
  readonly answers: Map<string, RequestListener>
  readonly key: IssuerKey
  /** A token that is good in every respect, but for what is overridden; `undefined` takes a member away. */
  token(claims?: Overrides, header?: Overrides, key?: IssuerKey): string
  claims(overrides?: Overrides): Record<string, unknown>
  hitsOf(path: string): number
  /** Comes back after whatever was sent before has been answered, too. */
  roundTrip(): Promise<void>
  close(): Promise<void>
}

/** Serves `listener` on a free port of 127.0.0.1. */
export async function listen(listener: RequestListener): Promise<{ origin: string; close: () => Promise<void> }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function makeKey(algorithm: IssuerKey['algorithm'] = 'ES256', kid = randomBytes(6).toString('hex')): IssuerKey {
  const { publicKey, privateKey } = generate(algorithm)
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }
  return { kid, algorithm, privateKey, publicKey, jwk }
}

function generate(algorithm: IssuerKey['algorithm']): { publicKey: KeyObject; privateKey: KeyObject } {
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  if (algorithm === 'RS256' || algorithm === 'PS256') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  return generateKeyPairSync('ed25519')
}

/** Signs anything as compact JWS, whatever the header says. Our own signer has no part in it. */
export function signAnything(header: unknown, payload: string | Uint8Array, key: IssuerKey): string {
  const headerText = typeof header === 'string' ? header : JSON.stringify(header)
  const input = [headerText, payload].map((part) => Buffer.from(part).toString('base64url')).join('.')
  return `${input}.${signatureOf(Buffer.from(input), key).toString('base64url')}`
}

function signatureOf(input: Buffer, { algorithm, privateKey: key }: IssuerKey): Buffer {
  if (algorithm === 'ES256') return sign('sha256', input, { key, dsaEncoding: 'ieee-p1363' })
  if (algorithm === 'RS256') return sign('sha256', input, key)
  if (algorithm === 'PS256')
    return sign('sha256', input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
  return sign(null, input, key)
}

export async function startIssuer(): Promise<Issuer> {
  const key = makeKey()
  const hits = new Map<string, number>()
  const answers = new Map<string, RequestListener>()
  const server = await listen((request, response) => {
    const path = request.url ?? ''
    hits.set(path, (hits.get(path) ?? 0) + 1)
    const answer = answers.get(path) ?? usualAnswer
    answer(request, response)
  })
  const issuer = server.origin
  const jwksUri = `${issuer}/jwks`

  const usualAnswer = ({ url }: IncomingMessage, response: ServerResponse): void => {
    if (url === '/jwks') sendJson(response, { keys: self.published }, { 'cache-control': 'max-age=30' })
    else if (url === '/.well-known/oauth-authorization-server') {
      sendJson(response, { issuer, jwks_uri: jwksUri, introspection_endpoint: `${issuer}/introspect` })
    } else sendJson(response, {}, {}, 404)
  }

  const self: Issuer = {
    issuer,
    jwksUri,
    hits,
    published: [key.jwk],
    answers,
    key,
    claims(overrides = {}) {
      const now = Math.floor(Date.now() / 1_000)
      const good = { iss: issuer, aud: resource, sub: 'user-1', client_id: 'client-1', jti: 'token-1', scope: 'read' }
      return { ...good, iat: now, exp: now + 300, ...overrides }
    },
    token(claims = {}, header = {}, signer = key) {
      const payload = JSON.stringify(self.claims(claims))
      return signAnything({ alg: signer.algorithm, kid: signer.kid, typ: 'at+jwt', ...header }, payload, signer)
    },
    hitsOf: (path) => hits.get(path) ?? 0,
    async roundTrip() {
      for (let count = 0; count < 3; count++) await (await fetch(`${issuer}/nothing`)).arrayBuffer()
    },
    close: server.close,
  }
  return self
}

export function sendJson(
  response: ServerResponse,
  body: unknown,
  headers: Record<string, string> = {},
  status = 200,
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** Answers with a status alone. */
export function sendStatus(status: number): RequestListener {
  return (_request, response) => void response.writeHead(status).end()
}

/** Never answers. `open` counts the requests that still wait, `release` drops them. */
export function hang(): { listener: RequestListener; open: () => number; release: () => void } {
  const waiting = new Set<ServerResponse>()
  return {
    listener: (_request, response) => {
      waiting.add(response)
      response.on('close', () => waiting.delete(response))
    },
    open: () => waiting.size,
    release: () => {
      for (const response of waiting) response.destroy()
    },
  }
}
