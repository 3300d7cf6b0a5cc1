import { decodeUnverifiedRefreshToken, opaqueAccessExpiry } from '@arctos/authorization-server'
import {
  decodeUnverifiedJws,
  type JsonObject,
  looksLikeCredential,
  type OpaqueKind,
  opaqueByteLengths,
  opaqueOriginOf,
  parseClaims,
  parseOpaqueToken,
  Refusal,
  readString,
  readStrings,
  type SecretEnvironment,
  secretPatterns,
} from '@arctos/core'
import { iso } from './terminal.ts'

/** What a token says of itself, to anybody, without asking anybody. Nothing in it is secret. */
export type Inspection =
  | {
      readonly form: 'opaque'
      readonly kind: string
      readonly pattern: string
      readonly environment: SecretEnvironment
      readonly checksum: 'right' | 'wrong'
      /** What is public in it besides, by name. */
      readonly facts: Readonly<Record<string, string | number>>
    }
  | {
      readonly form: 'jwt'
      /** Signature, issuer and lifetime were not checked: anybody can write this. */
      readonly verified: false
      readonly couldBe: string
      readonly header: JsonObject
      readonly claims: JsonObject
    }

/** Reads a token offline; `undefined` with what is wrong where it is none. */
export function inspectToken(text: string): Inspection | { readonly form: 'none'; readonly why: string } {
  const origin = opaqueOriginOf(text)
  if (origin !== undefined) return inspectOpaque(text, origin.kind, origin.environment)
  try {
    const jws = decodeUnverifiedJws(text)
    const header = jws.header.members
    const claims = parseClaims(jws.payload)
    const couldBe = purposeOf(jws.header.typ, claims)
    return { form: 'jwt', verified: false, couldBe, header: withoutSecrets(header), claims: withoutSecrets(claims) }
  } catch (error) {
    if (error instanceof Refusal) return { form: 'none', why: String(error.facts['check']) }
    throw error
  }
}

function inspectOpaque(text: string, kind: OpaqueKind, environment: SecretEnvironment): Inspection {
  const pattern = secretPatterns.find((each) => each.kind === kind)
  const [id, description] = [pattern?.id ?? kind, pattern?.description ?? kind]
  const isRight = parseOpaqueToken(kind, text, opaqueByteLengths[kind]) !== undefined
  const facts = isRight ? publicFacts(kind, text) : {}
  return { form: 'opaque', kind: description, pattern: id, environment, checksum: isRight ? 'right' : 'wrong', facts }
}

function publicFacts(kind: OpaqueKind, text: string): Readonly<Record<string, string | number>> {
  if (kind === 'accessToken') return { exp: opaqueAccessExpiry(text) ?? 0 }
  const refresh = kind === 'refreshToken' ? decodeUnverifiedRefreshToken(text) : undefined
  if (refresh === undefined) return {}
  return { key: refresh.keyId, grant: refresh.grantId, generation: refresh.generation }
}

const purposes: Readonly<Record<string, string>> = {
  'at+jwt': 'an access token (RFC 9068)',
  'client-authentication+jwt': 'a client assertion (RFC 7523)',
  'token-introspection+jwt': 'a signed introspection answer (RFC 9701)',
  'secevent+jwt': 'a security event (RFC 8417)',
  'statuslist+jwt': 'a token status list',
  'revocation-snapshot+jwt': 'a snapshot of what Arctos has taken back',
  'dpop+jwt': 'a DPoP proof (RFC 9449)',
  'logout+jwt': 'a logout token (OpenID Connect)',
}

/** What a JWT is by its type or, where that says nothing, by its claims. */
function purposeOf(typ: string | undefined, claims: JsonObject): string {
  const type = typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt'
  const known = purposes[type]
  if (known !== undefined) return known
  if (type !== 'jwt') return 'something that Arctos has no name for'
  if (['nonce', 'at_hash', 'c_hash'].some((name) => name in claims)) return 'an ID token (OpenID Connect)'
  const subject = readString(claims, 'sub')
  if (subject !== undefined && subject === readString(claims, 'iss')) return 'a client assertion (RFC 7523)'
  if ('client_id' in claims && 'jti' in claims) return 'an access token, for an API that wants typ JWT'
  return readStrings(claims, 'aud') === undefined ? 'anything' : 'an access token or an ID token'
}

/** A claim may hold another token. */
function withoutSecrets(members: JsonObject): JsonObject {
  const shownOf = ([name, value]: [string, unknown]) =>
    [name, looksLikeCredential(JSON.stringify(value)) ? '[redacted]' : value] as const
  return Object.fromEntries(Object.entries(members).map(shownOf)) as JsonObject
}

/** The same as lines for people. */
export function formatInspection(inspection: Inspection, nowSeconds: number): readonly string[] {
  const line = (name: string, value: unknown): string => `${name.padEnd(13)}${shown(name, value, nowSeconds)}`
  if (inspection.form === 'jwt') {
    const { couldBe, header, claims } = inspection
    const members = (of: JsonObject): readonly string[] =>
      Object.entries(of).map(([name, value]) => `  ${line(name, value).replace(/^(.{11}) {2}/, '$1')}`)
    return [
      line('kind', 'JWT, not verified here'),
      line('could be', couldBe),
      'header',
      ...members(header),
      'claims',
      ...members(claims),
      'Anybody can write this. Whether an API would take it: arctos explain --audience URI',
    ]
  }
  const { kind, environment, checksum, facts } = inspection
  const lines = [
    line('kind', kind),
    line('environment', environment),
    line('checksum', checksum === 'right' ? 'right' : 'wrong: mistyped, cut off or made up'),
    ...Object.entries(facts).map(([name, value]) => line(name, value)),
  ]
  const isMade = checksum === 'right'
  return isMade ? [...lines, 'Anybody can compute a checksum. Whether it was ever made, its server knows.'] : lines
}

const times = new Set(['iat', 'exp', 'nbf', 'auth_time', 'updated_at', 'issuedAt', 'expiresAt'])

function shown(name: string, value: unknown, nowSeconds: number): string {
  if (times.has(name) && typeof value === 'number' && Math.abs(value) < 8e12) {
    const isOver = (name === 'exp' || name === 'expiresAt') && value <= nowSeconds
    return `${value} (${iso(value)}${isOver ? ', over' : ''})`
  }
  return (typeof value === 'string' ? value : JSON.stringify(value)).replace(/[^\x20-\x7e]/g, '?')
}
