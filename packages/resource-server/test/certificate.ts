import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate for 127.0.0.1 that nobody vouches for, made anew for each test: none lies in the repository. */
export function makeSelfSignedCertificate(): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(tlv(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]))
  const commonName = sequence(tlv(0x06, [0x55, 0x04, 0x03]), tlv(0x0c, Buffer.from('nobody')))
  const name = sequence(tlv(0x31, commonName))
  const validity = sequence(time(Date.now() - 60_000), time(Date.now() + 3_600_000))
  const alternativeName = sequence(tlv(0x87, [127, 0, 0, 1]))
  const extension = sequence(tlv(0x06, [0x55, 0x1d, 0x11]), tlv(0x04, alternativeName))
  const body = sequence(
    tlv(0xa0, tlv(0x02, [2])),
    tlv(0x02, [1]),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(extension)),
  )
  const signature = tlv(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]))
  const der = sequence(body, algorithm, signature).toString('base64')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${der.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

/** One ASN.1 value in DER: tag, length, contents. */
function tlv(tag: number, contents: Uint8Array | readonly number[]): Buffer {
  const body = Buffer.from(contents)
  const size = body.byteLength
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tlv(0x30, Buffer.concat(parts))
}

function time(epochMs: number): Buffer {
  return tlv(0x18, Buffer.from(`${new Date(epochMs).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))
}
