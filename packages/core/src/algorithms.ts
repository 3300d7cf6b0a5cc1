import { constants, type KeyObject, type SignKeyObjectInput, sign, verify } from 'node:crypto'

/** The signature algorithms on offer. `EdDSA` and `Ed25519` name the same one: the first is what deployed verifiers know. */
export type Algorithm = 'ES256' | 'EdDSA' | 'Ed25519' | 'RS256' | 'PS256'

interface AlgorithmRow {
  readonly keyType: 'EC' | 'OKP' | 'RSA'
  readonly sign: (input: Uint8Array, key: KeyObject) => Buffer
  /** The same in the thread pool. */
  readonly signAsync: (input: Uint8Array, key: KeyObject) => Promise<Buffer>
  readonly verify: (input: Uint8Array, key: KeyObject, signature: Buffer) => boolean
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const

const ed25519: AlgorithmRow = {
  keyType: 'OKP',
  sign: (input, key) => sign(null, input, key),
  signAsync: (input, key) => signInPool(null, input, key),
  verify: (input, key, signature) => verify(null, input, key, signature),
}

/** One row an algorithm (RFC 7518 §3, RFC 8037 §3.1, RFC 9864 §2.2). No prototype, so `__proto__` names nothing. */
const rows: Readonly<Record<Algorithm, AlgorithmRow>> = Object.assign(Object.create(null), {
  // A bare KeyObject with DER and our own conversion: the `ieee-p1363` form doubles the cost of a signature on Node 24.
  ES256: {
    keyType: 'EC',
    sign: (input, key) => derToConcat(sign('sha256', input, key)),
    signAsync: async (input, key) => derToConcat(await signInPool('sha256', input, key)),
    verify: (input, key, signature) => {
      const der = concatToDer(signature)
      return der !== undefined && verify('sha256', input, key, der)
    },
  },
  EdDSA: ed25519,
  Ed25519: ed25519,
  RS256: {
    keyType: 'RSA',
    sign: (input, key) => sign('sha256', input, key),
    signAsync: (input, key) => signInPool('sha256', input, key),
    verify: (input, key, signature) => verify('sha256', input, key, signature),
  },
  PS256: {
    keyType: 'RSA',
    sign: (input, key) => sign('sha256', input, { key, ...pss }),
    signAsync: (input, key) => signInPool('sha256', input, { key, ...pss }),
    verify: (input, key, signature) => verify('sha256', input, { key, ...pss }, signature),
  },
} satisfies Record<Algorithm, AlgorithmRow>)

/** Whether a text names an algorithm on offer. */
export function isAlgorithm(text: string): text is Algorithm {
  return rows[text as Algorithm] !== undefined
}

export function algorithmRow(algorithm: Algorithm): AlgorithmRow {
  return rows[algorithm]
}

/** A callback is what sends a signature to the thread pool. */
function signInPool(digest: string | null, input: Uint8Array, key: KeyObject | SignKeyObjectInput): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign(digest, input, key, (error, signature) => (error === null ? resolve(signature) : reject(error)))
  })
}

const half = 32

/** JWS writes an ES256 signature as r ‖ s, 64 bytes (RFC 7518 §3.4); OpenSSL wants DER. */
function concatToDer(signature: Buffer): Buffer | undefined {
  if (signature.byteLength !== 2 * half) return undefined
  const rStart = firstSignificant(signature, 0)
  const sStart = firstSignificant(signature, half)
  const rPad = (signature[rStart] ?? 0) >= 0x80 ? 1 : 0
  const sPad = (signature[sStart] ?? 0) >= 0x80 ? 1 : 0
  const rLength = half - rStart + rPad
  const sLength = 2 * half - sStart + sPad
  const der = Buffer.alloc(6 + rLength + sLength)
  der[0] = 0x30
  der[1] = 4 + rLength + sLength
  der[2] = 0x02
  der[3] = rLength
  signature.copy(der, 4 + rPad, rStart, half)
  der[4 + rLength] = 0x02
  der[5 + rLength] = sLength
  signature.copy(der, 6 + rLength + sPad, sStart, 2 * half)
  return der
}

/** Index of the first byte of a half that is not zero, or of its last byte. */
function firstSignificant(signature: Buffer, start: number): number {
  let at = start
  while (at < start + half - 1 && signature[at] === 0) at++
  return at
}

function derToConcat(der: Buffer): Buffer {
  const rLength = der[3] ?? 0
  const sLength = der[5 + rLength] ?? 0
  const concat = Buffer.alloc(2 * half)
  copyRight(der, 4, rLength, concat, half)
  copyRight(der, 6 + rLength, sLength, concat, 2 * half)
  return concat
}

/** Copies an integer so that it ends at `end`, dropping the sign byte that DER may have put in front. */
function copyRight(from: Buffer, start: number, length: number, to: Buffer, end: number): void {
  const kept = Math.min(length, half)
  from.copy(to, end - kept, start + length - kept, start + length)
}
