import { sign } from 'node:crypto'
import type { TestKey } from './signing.ts'

/** How a certificate names the algorithm of its signature (RFC 5758 §3.2, RFC 8017 §A.2.4, RFC 8410 §3), in DER. */
const signatureAlgorithms = {
  ec: { oid: '06082a8648ce3d040302', digest: 'sha256' },
  rsa: { oid: '06092a864886f70d01010b0500', digest: 'sha256' },
  ed25519: { oid: '06032b6570', digest: null },
} as const

/** A certificate of the key by itself, as `x5c` carries it (RFC 7515 §4.1.6): DER in base64. Nobody vouches for it. */
export function selfSignedCertificate({ privateKey, publicKey }: TestKey): string {
  const type = privateKey.asymmetricKeyType as keyof typeof signatureAlgorithms
  const { oid, digest } = signatureAlgorithms[type]
  const algorithm = sequence(Buffer.from(oid, 'hex'))
  const commonName = sequence(value(0x06, Buffer.from('550403', 'hex')), value(0x0c, Buffer.from('as.example.com')))
  const name = sequence(value(0x31, commonName))
  const validity = sequence(...['20200101000000Z', '20991231235959Z'].map((time) => value(0x18, Buffer.from(time))))
  const body = sequence(
    value(0x02, Buffer.from([1])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = value(0x03, Buffer.concat([Buffer.from([0]), sign(digest, body, privateKey)]))
  return sequence(body, algorithm, signature).toString('base64')
}

/** One ASN.1 value in DER: tag, length, contents. */
function value(tag: number, contents: Uint8Array): Buffer {
  const size = contents.byteLength
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), contents])
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return value(0x30, Buffer.concat(parts))
}
