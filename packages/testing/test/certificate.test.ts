import { X509Certificate } from 'node:crypto'
import { expect, it } from 'vitest'
import { selfSignedCertificate } from '../src/certificate.ts'
import { makeTestKey } from '../src/signing.ts'

it.each(['ES256', 'RS256', 'EdDSA'] as const)('makes a certificate that vouches for its own key: %s', (algorithm) => {
  const key = makeTestKey(algorithm, 'any')
  const certificate = new X509Certificate(Buffer.from(selfSignedCertificate(key), 'base64'))
  expect(certificate.verify(key.publicKey)).toBe(true)
  expect(certificate.checkPrivateKey(key.privateKey)).toBe(true)
})
