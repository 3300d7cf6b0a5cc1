import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Algorithm, algorithmRow, isAlgorithm } from './algorithms.ts'
import { decodeBase64url } from './base64url.ts'
import { sha256Base64url } from './crypto.ts'
import { type JsonObject, readString } from './json.ts'

/**
 * A public key bound to one algorithm and one issuer. Verifying takes this object, never key text, so that nothing in a token
 * can choose how its signature is checked (RFC 8725 §3.1).
 */
export interface VerificationKey {
  readonly kid: string
  readonly algorithm: Algorithm
  /** Who signs with it: an issuer identifier or a client_id. */
  readonly owner: string
  readonly key: KeyObject
}

/** Why a JWK was not taken, for the operator. */
export interface RejectedJwk {
  readonly kid: string | undefined
  readonly why: string
}

type RsaAlgorithm = 'RS256' | 'PS256'

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * Imports one public JWK strictly: no private or symmetric members, key type and algorithm agree, `use` and `key_ops` allow
 * verifying, coordinates on the curve and of full length, RSA of 2048 to 4096 bits with a sane exponent and no ROCA modulus.
 * Returns the reason where it does not. RFC 7517 §4, RFC 7518 §6, RFC 8725 §3.5
 *
 * @param defaultRsaAlgorithm what an RSA key without `alg` is for; a key never serves two algorithms
 */
export function importVerificationKey(
  jwk: JsonObject,
  owner: string,
  defaultRsaAlgorithm: RsaAlgorithm = 'RS256',
): VerificationKey | RejectedJwk {
  const kid = readString(jwk, 'kid')
  const reject = (why: string): RejectedJwk => ({ kid, why })
  if (kid === undefined || kid === '' || kid.length > 256) return reject('kid is missing, empty or too long')
  if (privateMembers.some((name) => jwk[name] !== undefined)) return reject('it has private or symmetric members')
  if (!mayVerify(jwk)) return reject('use or key_ops do not allow verifying')
  const algorithm = algorithmOf(jwk, defaultRsaAlgorithm)
  if (algorithm === undefined) return reject('its type, curve and algorithm are not on offer, or do not agree')
  const problem = algorithmRow(algorithm).keyType === 'RSA' ? rsaProblem(jwk) : curveProblem(jwk)
  if (problem !== undefined) return reject(problem)
  try {
    const { kty, crv, x, y, n, e } = jwk
    const key = createPublicKey({ key: dropUndefined({ kty, crv, x, y, n, e }), format: 'jwk' })
    return { kid, algorithm, owner, key }
  } catch {
    return reject('it is not a valid key')
  }
}

/** Whether {@link importVerificationKey} took the key. */
export function isVerificationKey(result: VerificationKey | RejectedJwk): result is VerificationKey {
  return 'key' in result
}

/** The required members of each key type, in the order in which they are hashed (RFC 7638 §3.2). */
const thumbprintMembers: ReadonlyMap<string, readonly string[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']],
])

/** The SHA-256 thumbprint of a public JWK, as base64url. Throws a `TypeError` for anything else. RFC 7638 §3 */
export function jwkThumbprint(jwk: JsonObject): string {
  const names = thumbprintMembers.get(readString(jwk, 'kty') ?? '')
  if (names === undefined || names.some((name) => readString(jwk, name) === undefined)) {
    throw new TypeError('a thumbprint needs a whole public key of type EC, OKP or RSA')
  }
  return sha256Base64url(JSON.stringify(Object.fromEntries(names.map((name) => [name, jwk[name]]))))
}

function mayVerify(jwk: JsonObject): boolean {
  const { use, key_ops: operations } = jwk
  if (use !== undefined && use !== 'sig') return false
  // A key with a second use could be made to serve the one through the other.
  return (
    operations === undefined || (Array.isArray(operations) && operations.length === 1 && operations[0] === 'verify')
  )
}

function algorithmOf(jwk: JsonObject, defaultRsaAlgorithm: RsaAlgorithm): Algorithm | undefined {
  const { kty, crv, alg } = jwk
  const only = (...names: readonly Algorithm[]): Algorithm | undefined => {
    if (alg === undefined) return names[0]
    return typeof alg === 'string' && isAlgorithm(alg) && names.includes(alg) ? alg : undefined
  }
  if (kty === 'EC' && crv === 'P-256') return only('ES256')
  if (kty === 'OKP' && crv === 'Ed25519') return only('EdDSA', 'Ed25519')
  if (kty === 'RSA') return alg === undefined ? defaultRsaAlgorithm : only('RS256', 'PS256')
  return undefined
}

function curveProblem(jwk: JsonObject): string | undefined {
  const names = jwk['kty'] === 'EC' ? ['x', 'y'] : ['x']
  const whole = names.every((name) => decodeBase64url(readString(jwk, name) ?? '')?.byteLength === 32)
  return whole ? undefined : 'a coordinate is not 32 bytes of canonical base64url'
}

function rsaProblem(jwk: JsonObject): string | undefined {
  const modulus = decodeUnsigned(jwk, 'n')
  const exponent = decodeUnsigned(jwk, 'e')
  if (modulus === undefined || exponent === undefined) return 'n or e is not a canonical Base64urlUInt'
  if (modulus < 1n << 2047n || modulus >= 1n << 4096n) return 'the modulus is not of 2048 to 4096 bits'
  if (modulus % 2n === 0n) return 'the modulus is even'
  if (exponent < 65_537n || exponent >= 1n << 32n || exponent % 2n === 0n) {
    return 'the exponent is even, below 65537 or above 2^32'
  }
  return hasRocaFingerprint(modulus) ? 'the modulus was made by the broken ROCA generator' : undefined
}

/** A positive integer in its shortest form (RFC 7518 §2). */
function decodeUnsigned(jwk: JsonObject, name: string): bigint | undefined {
  const text = readString(jwk, name) ?? ''
  const bytes = text.length <= unsignedLengthLimit ? decodeBase64url(text) : undefined
  return bytes === undefined || !bytes[0] ? undefined : BigInt(`0x${bytes.toString('hex')}`)
}

// The longest modulus on offer has 683 characters; a longer text is not worth decoding.
const unsignedLengthLimit = 700

// CVE-2017-15361: moduli of that generator are powers of 65537 modulo every one of these primes; others practically never are.
const rocaPrimes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
]

function hasRocaFingerprint(modulus: bigint): boolean {
  return rocaPrimes.every((prime) => {
    const rest = Number(modulus % BigInt(prime))
    let power = 1
    for (let count = 0; count < prime; count++) {
      if (power === rest) return true
      power = (power * 65_537) % prime
    }
    return false
  })
}

function dropUndefined(members: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(members).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return Object.fromEntries(entries)
}
