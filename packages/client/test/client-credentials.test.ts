import { describe, expect, it } from 'vitest'
import { answers, unavailable } from './support/faults.ts'
import { startScene } from './support/reporter.ts'

describe('client credentials', () => {
  it('are a POST with grant_type, resource and scope [RFC 6749 §3.2(a), RFC 6749 §4.4.2(c), RFC 8707 §2.2]', async () => {
    const { client, resource, server } = await startScene()
    await client.accessToken({ resource, scope: 'read write' })
    const [request] = server.seenAt('/token')
    expect(request?.method).toBe('POST')
    expect(Object.fromEntries(request?.form ?? [])).toEqual({
      grant_type: 'client_credentials',
      resource,
      scope: 'read write',
    })
  })

  it('leave out the scope where none is asked for', async () => {
    const { client, resource, server } = await startScene()
    await client.accessToken({ resource })
    expect(server.seenAt('/token')[0]?.form.has('scope')).toBe(false)
  })

  it('send no parameter twice [RFC 6749 §3.2(g)]', async () => {
    const { client, resource, server } = await startScene()
    await client.accessToken({ resource, scope: 'read read' })
    const names = [...(server.seenAt('/token')[0]?.form.keys() ?? [])]
    expect(names).toEqual([...new Set(names)])
    expect(server.seenAt('/token')[0]?.form.get('scope')).toBe('read')
  })

  it('make one token request for 50 parallel calls on a cold cache', async () => {
    const { client, resource, server, api } = await startScene()
    const notes = client.fetch({ resource, scope: 'read' })
    const answered = await Promise.all(Array.from({ length: 50 }, () => notes('/notes')))
    expect(answered.every(({ status }) => status === 200)).toBe(true)
    expect([server.seenAt('/token').length, api.calls.length]).toEqual([1, 50])
  })

  it('are kept by resource and scope, however these are spelled', async () => {
    const { client, resource, server } = await startScene()
    const wanted = [
      { resource, scope: 'read write' },
      { resource, scope: 'write read' },
      { resource: `${resource}/`, scope: 'read write' },
      { resource, scope: 'read' },
      { resource },
      { resource: `${resource}/v1`, scope: 'read' },
    ]
    for (const target of wanted) await client.accessToken(target)
    expect(server.seenAt('/token')).toHaveLength(4)
  })

  it('are renewed in the background before they end, once', async () => {
    const { client, resource, server, world } = await startScene()
    server.lifetimeSeconds = 600
    const first = await client.accessToken({ resource })
    // The earliest moment that chance allows is 60 s and a quarter before the end.
    world.advance(600 - 76)
    await expect(client.accessToken({ resource })).resolves.toBe(first)
    expect(server.seenAt('/token')).toHaveLength(1)
    world.advance(32)
    const due = await Promise.all(Array.from({ length: 20 }, () => client.accessToken({ resource })))
    expect(due.every((token) => token === first)).toBe(true)
    await expect.poll(() => client.accessToken({ resource })).not.toBe(first)
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it('that live shortly are renewed in the last fifth of their life', async () => {
    const { client, resource, server, world } = await startScene()
    server.lifetimeSeconds = 20
    const first = await client.accessToken({ resource })
    world.advance(14.9)
    await client.accessToken({ resource })
    expect(server.seenAt('/token')).toHaveLength(1)
    world.advance(2.2)
    await expect(client.accessToken({ resource })).resolves.toBe(first)
    await expect.poll(() => client.accessToken({ resource })).not.toBe(first)
  })

  it('are renewed at moments that differ by chance', async () => {
    const renewals = await Promise.all(
      [0, 255].map(async (byte) => {
        const { client, resource, server, world } = await startScene({
          random: (length) => new Uint8Array(length).fill(byte),
        })
        await client.accessToken({ resource })
        // In the middle between the two extremes, 60 s before the end.
        world.advance(540)
        await client.accessToken({ resource })
        await new Promise((resolve) => setImmediate(resolve))
        await client.accessToken({ resource })
        return { server, world }
      }),
    )
    await expect.poll(() => renewals.map(({ server }) => server.seenAt('/token').length)).toEqual([1, 2])
  })

  it('serve on while the server cannot renew them, until they end', async () => {
    const { client, resource, server, world } = await startScene()
    const first = await client.accessToken({ resource })
    server.fault('/token', ...Array.from({ length: 8 }, () => unavailable()))
    world.advance(590)
    await expect(client.accessToken({ resource })).resolves.toBe(first)
    await expect.poll(() => server.seenAt('/token').length).toBe(5)
    world.advance(10)
    await expect(client.accessToken({ resource })).rejects.toMatchObject({ code: 'unavailable' })
    await expect(client.accessToken({ resource })).resolves.not.toBe(first)
  })

  it('take no token that is about to end', async () => {
    const { client, resource, server, world } = await startScene()
    const first = await client.accessToken({ resource })
    world.advance(596)
    await expect(client.accessToken({ resource })).resolves.not.toBe(first)
    expect(server.seenAt('/token')).toHaveLength(2)
  })

  it('share one failure among the calls that wait for it', async () => {
    const { client, resource, server } = await startScene()
    server.fault('/token', answers(400, '{"error":"invalid_scope"}', { 'content-type': 'application/json' }))
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => client.accessToken({ resource })))
    expect(results.every(({ status }) => status === 'rejected')).toBe(true)
    expect(server.seenAt('/token')).toHaveLength(1)
  })

  it('refuse a scope that cannot be sent [RFC 6749 §3.3(d)]', async () => {
    const { client, resource } = await startScene()
    const refusal = expect.objectContaining({ code: 'invalid_option' })
    expect(() => client.fetch({ resource, scope: 'a"b' })).toThrow(refusal)
    await expect(client.accessToken({ resource, scope: '' })).rejects.toEqual(refusal)
  })
})
