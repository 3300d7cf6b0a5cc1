import { createHmac } from 'node:crypto'
import { encodePart, makeTestKey, type Overrides, signAnything, type TestKey } from './signing.ts'

/** What the vectors make their requests from: a good token, the key that signed it, and ways to get it wrong. */
export interface Forge {
  readonly issuer: string
  readonly resource: string
  /** A token as the server issued it: good for the route `read`, not for `write`. */
  readonly good: string
  /** The key that signs now. */
  readonly key: TestKey
  /** A key of the same algorithm that the issuer does not publish. */
  readonly stranger: TestKey
  /** Scope words that the routes need. */
  readonly scopes: { readonly read: string; readonly write: string }
  /** Epoch seconds, by the clock that target and server share. */
  seconds(): number
  /** An address at the server that nobody has a reason to ask. */
  trapUrl(name: string): string
  /** The claims of a good token, now. */
  claims(overrides?: Overrides): Record<string, unknown>
  /** The header of a good token. */
  header(overrides?: Overrides): Record<string, unknown>
  /** A token that is good in every respect but for what is overridden. */
  token(claims?: Overrides, header?: Overrides, key?: TestKey): string
}

export interface ForgeOptions {
  readonly issuer: string
  readonly resource: string
  readonly good: string
  readonly key: TestKey
  readonly scopes: { readonly read: string; readonly write: string }
  /** Epoch milliseconds. */
  readonly now: () => number
}

const tokenSeconds = 300

/** Takes a good token apart, to make wrong ones that differ in one thing. */
export function createForge(options: ForgeOptions): Forge {
  const { issuer, good, key, now } = options
  const [head = '', payload = ''] = good.split('.')
  const goodHeader = readPart(head)
  const goodClaims = readPart(payload)
  const seconds = (): number => Math.floor(now() / 1_000)
  const claims: Forge['claims'] = (overrides = {}) => ({
    ...goodClaims,
    iat: seconds(),
    exp: seconds() + tokenSeconds,
    ...overrides,
  })
  const header: Forge['header'] = (overrides = {}) => ({ ...goodHeader, ...overrides })
  return {
    ...options,
    stranger: strangerOf(key.algorithm),
    seconds,
    trapUrl: (name) => `${issuer}/trap/${name}`,
    claims,
    header,
    token(claimOverrides = {}, headerOverrides = {}, signer = key) {
      const named = { alg: signer.algorithm, kid: signer.kid, ...headerOverrides }
      return signAnything(header(named), JSON.stringify(claims(claimOverrides)), signer)
    },
  }
}

const strangers = new Map<string, TestKey>()

/** One stranger an algorithm and process is enough: RSA keys take their time. */
export function strangerOf(algorithm: TestKey['algorithm']): TestKey {
  const known = strangers.get(algorithm) ?? makeTestKey(algorithm, 'key-of-a-stranger')
  strangers.set(algorithm, known)
  return known
}

function readPart(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}

/** The same key under another name. */
export function renamed(key: TestKey, kid: string): TestKey {
  return { ...key, kid, jwk: { ...key.jwk, kid } }
}

/** A token with another header and payload under the signature of the first. */
export function withParts(token: string, parts: { readonly header?: unknown; readonly payload?: unknown }): string {
  const [header, payload, signature] = token.split('.')
  const part = (given: unknown, old: string | undefined) => (given === undefined ? old : encodePart(given))
  return `${part(parts.header, header)}.${part(parts.payload, payload)}.${signature}`
}

export function withSignature(token: string, signature: string): string {
  return `${token.slice(0, token.lastIndexOf('.'))}.${signature}`
}

export function unsigned(header: unknown, payload: unknown): string {
  return `${encodePart(header)}.${encodePart(payload)}.`
}

/** A MAC where a signature should be. The digest is the one that `alg` would mean. */
export function withHmac(header: Readonly<Record<string, unknown>>, payload: unknown, secret: string | Buffer): string {
  const input = `${encodePart(header)}.${encodePart(payload)}`
  const digest = `sha${String(header['alg']).slice(-3)}`
  return `${input}.${createHmac(digest, secret).update(input).digest('base64url')}`
}
