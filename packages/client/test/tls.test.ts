import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { discoverResource, oauthClient } from '@arctos/client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startScene } from './support/reporter.ts'
import { makeSelfSignedCertificate } from './support/self-signed-certificate.ts'

/** A server on TLS whose certificate nobody vouches for. */
async function startImpostor(): Promise<{ origin: string; seen: string[] }> {
  const seen: string[] = []
  const server = createServer(makeSelfSignedCertificate(), (request, response) => {
    seen.push(request.url ?? '')
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

describe('TLS', () => {
  it('to an authorization server whose certificate nobody vouches for ends before anything is sent [RFC 6749 §10.9(b)]', async () => {
    const { origin, seen } = await startImpostor()
    const client = oauthClient({ issuer: origin, clientId: 'reporter', wait: async () => undefined })
    await expect(client.accessToken({ resource: 'https://api.example.com' })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
    })
    expect(seen).toEqual([])
  })

  it('to a token endpoint whose certificate nobody vouches for ends before anything is sent [RFC 6749 §10.9(b)]', async () => {
    const { origin, seen } = await startImpostor()
    const { client, resource, server } = await startScene()
    server.metadata['token_endpoint'] = `${origin}/token`
    await expect(client.accessToken({ resource })).rejects.toMatchObject({ code: 'unavailable' })
    expect(seen).toEqual([])
  })

  it('to a resource whose metadata is wanted ends before anything is sent [RFC 9728 §7.3(a)]', async () => {
    const { origin, seen } = await startImpostor()
    const found = discoverResource(origin, { allowIssuer: () => true })
    await expect(found).rejects.toMatchObject({ code: 'unavailable' })
    expect(seen).toEqual([])
  })

  it('to a resource whose certificate nobody vouches for ends before the token is sent [RFC 6750 §5.3(b)]', async () => {
    const { origin, seen } = await startImpostor()
    const { client } = await startScene()
    await expect(client.fetch({ resource: origin })('/notes')).rejects.toThrow(TypeError)
    expect(seen).toEqual([])
  })
})
