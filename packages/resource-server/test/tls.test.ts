import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeSelfSignedCertificate } from './certificate.ts'
import { guardOf, verdict } from './guard.ts'
import { type Issuer, sendJson, startIssuer } from './issuer.ts'

const certificate = makeSelfSignedCertificate()
let issuer: Issuer
let asked = 0
const server = createServer(certificate, (_request, response) => {
  asked += 1
  sendJson(response, { active: true, ...issuer.claims(), keys: issuer.published })
})

beforeAll(async () => {
  issuer = await startIssuer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  await issuer.close()
})

const origin = (): string => `https://127.0.0.1:${(server.address() as AddressInfo).port}`

it('believes no server whose certificate nobody vouches for [RFC 7662 §4(g)]', async () => {
  const introspection = { clientId: 'rs', clientSecret: 's', endpoint: origin() }
  const guard = guardOf(issuer, { introspection, jwksUri: origin() })
  const before = asked
  expect(await verdict(guard, 'opaque')).toBe('introspection.unavailable')
  expect(await verdict(guard, issuer.token())).toBe('keys.unavailable')
  expect(asked).toBe(before)
})

it('would have got an answer from that server with the certificate', async () => {
  const status = await new Promise((resolve, reject) => {
    const options = { ca: certificate.cert, agent: false }
    get(origin(), options, (response) => resolve(response.resume().statusCode)).on('error', reject)
  })
  expect(status).toBe(200)
})
