// OpenID Shared Signals Framework 1.0, with the CAEP interoperability profile where it says more.
import { expect } from 'vitest'
import {
  claimsOf,
  deliveryMethods,
  feedVariables,
  makeStream,
  pollVerification,
  requireFeed,
  transmitterUrl,
  verification,
} from './driver/feed.ts'
import { jsonOf, send } from './driver/http.ts'
import { scenario } from './driver/scenario.ts'

scenario(
  'says what it offers, for its own issuer [SSF §7.1, CAEP interop §2.3]',
  feedVariables,
  async (env, context) => {
    const { transmitter } = await requireFeed(env, context)
    const { headers } = await send(transmitterUrl(env.ISSUER))
    expect(headers.get('content-type')).toMatch(/^application\/json\b/)
    expect(transmitter['issuer']).toBe(env.ISSUER)
    expect(transmitter['spec_version']).toMatch(/^1_/)
    expect(transmitter['authorization_schemes']).toContainEqual({ spec_urn: 'urn:ietf:rfc:6749' })
    const methods = transmitter['delivery_methods_supported'] as readonly string[]
    expect(Object.values(deliveryMethods)).toEqual(expect.arrayContaining([...methods]))
    const names = ['jwks_uri', 'configuration_endpoint', 'status_endpoint', 'verification_endpoint']
    for (const name of names) expect(new URL(String(transmitter[name])).hash, name).toBe('')
    for (const [name, value] of Object.entries(transmitter))
      if (Array.isArray(value)) expect(value, name).not.toEqual([])
  },
)

scenario('signs with RSA keys of 2048 bits and more [CAEP interop §2.6]', feedVariables, async (env, context) => {
  const { at } = await requireFeed(env, context)
  const { keys } = jsonOf(await send(at('jwks_uri'))) as { readonly keys: readonly Record<string, string>[] }
  const rsa = keys.filter(({ kty }) => kty === 'RSA')
  expect(rsa).not.toEqual([])
  for (const { n = '', d } of rsa) {
    expect(Buffer.from(n, 'base64url').length).toBeGreaterThanOrEqual(256)
    expect(d).toBeUndefined()
  }
})

scenario('gives poll to who names no delivery [SSF §8.1.1.1]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const stream = await makeStream(feed, context, { description: 'of the conformance run' })
  expect(stream).toMatchObject({ iss: env.ISSUER, stream_id: expect.any(String), events_delivered: expect.any(Array) })
  expect(stream['delivery']).toMatchObject({ method: deliveryMethods.poll, endpoint_url: expect.any(String) })
  expect([stream['aud']].flat()).not.toEqual([])
})

scenario('gives each stream an id, and a list of them all [SSF §8.1.1.2]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const streams = [await makeStream(feed, context), await makeStream(feed, context)]
  const ids = streams.map((stream) => stream['stream_id'])
  expect(new Set(ids).size).toBe(2)
  const list = JSON.parse((await feed.call('GET', feed.at('configuration_endpoint'))).text) as { stream_id: string }[]
  expect(list.map(({ stream_id }) => stream_id)).toEqual(expect.arrayContaining(ids))
  const one = await feed.call('GET', `${feed.at('configuration_endpoint')}?stream_id=${ids[0]}`)
  expect(jsonOf(one)).toEqual(streams[0])
})

scenario('delivers of what was asked for what it supports [SSF §8.1.1]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const { events_supported: supported = [] } = await makeStream(feed, context)
  const wanted = [...(supported as readonly string[]).slice(0, 1), 'urn:example:nobody:knows']
  const stream = await makeStream(feed, context, { events_requested: wanted })
  expect(stream['events_delivered']).toEqual(wanted.slice(0, -1))
})

scenario(
  'changes what a receiver may change, and nothing else [SSF §8.1.1.3, SSF §8.1.1.4]',
  feedVariables,
  async (env, context) => {
    const feed = await requireFeed(env, context)
    const { stream_id } = await makeStream(feed, context, { description: 'before' })
    const change = (method: string, body: object) =>
      feed.call(method, feed.at('configuration_endpoint'), { stream_id, ...body })
    const patched = await change('PATCH', { description: 'after' })
    expect([patched.status, jsonOf(patched)['description']]).toEqual([200, 'after'])
    expect((await change('PATCH', { aud: 'https://somebody.else.example' })).status).toBe(400)
    const replaced = await change('PUT', {})
    expect([replaced.status, jsonOf(replaced)['description']]).toEqual([200, undefined])
  },
)

scenario('pauses, says so, and goes on [SSF §8.1.2]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const { stream_id } = await makeStream(feed, context)
  const status = feed.at('status_endpoint')
  for (const wanted of ['paused', 'disabled', 'enabled']) {
    const set = await feed.call('POST', status, { stream_id, status: wanted, reason: 'a test' })
    expect([set.status, jsonOf(set)['status']]).toEqual([200, wanted])
    expect(jsonOf(await feed.call('GET', `${status}?stream_id=${stream_id}`))).toMatchObject({
      stream_id,
      status: wanted,
    })
  }
  expect((await feed.call('POST', status, { stream_id, status: 'stopped' })).status).toBe(400)
})

scenario(
  'sends a verification event with the state, about the stream [SSF §8.1.4]',
  feedVariables,
  async (env, context) => {
    const feed = await requireFeed(env, context)
    const stream = await makeStream(feed, context)
    const state = 'c3RhdGUgb2YgdGhlIHRlc3Q'
    const asked = await feed.call('POST', feed.at('verification_endpoint'), { stream_id: stream['stream_id'], state })
    expect([asked.status, asked.text]).toEqual([204, ''])
    const { set } = await pollVerification(feed, stream, state)
    const claims = await claimsOf(feed, stream, set)
    expect(claims['sub_id']).toEqual({ format: 'opaque', id: stream['stream_id'] })
    expect((claims['events'] as Record<string, unknown>)[verification]).toMatchObject({ state })
  },
)

scenario('takes subjects on and off [SSF §8.1.3.2, SSF §8.1.3.3]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const { stream_id } = await makeStream(feed, context)
  const subject = { format: 'email', email: 'nobody@example.com' }
  const removed = await feed.call('POST', feed.at('remove_subject_endpoint'), { stream_id, subject })
  expect([204, 404], removed.text).toContain(removed.status)
  const added = await feed.call('POST', feed.at('add_subject_endpoint'), { stream_id, subject, verified: true })
  expect([200, 404], added.text).toContain(added.status)
})

scenario('deletes a stream, and knows nothing of it then [SSF §8.1.1.5]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const { stream_id } = await makeStream(feed, context)
  const url = `${feed.at('configuration_endpoint')}?stream_id=${stream_id}`
  const deleted = await feed.call('DELETE', url)
  expect([deleted.status, deleted.text]).toEqual([204, ''])
  expect((await feed.call('GET', url)).status).toBe(404)
  expect((await feed.call('GET', `${feed.at('status_endpoint')}?stream_id=${stream_id}`)).status).toBe(404)
})

scenario(
  'asks for a token everywhere, and for one of its own [SSF §8, RFC 6750 §3(a)]',
  feedVariables,
  async (env, context) => {
    const feed = await requireFeed(env, context)
    const { stream_id } = await makeStream(feed, context)
    for (const name of ['configuration_endpoint', 'status_endpoint'])
      for (const token of ['', 'not-a-token']) {
        const refused = await feed.call('GET', `${feed.at(name)}?stream_id=${stream_id}`, undefined, token)
        expect(refused.status, refused.text).toBe(401)
        expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer\b/i)
      }
  },
)

scenario('refuses what it cannot read [SSF §8.1.1.1]', feedVariables, async (env, context) => {
  const feed = await requireFeed(env, context)
  const refused = await feed.call('POST', feed.at('configuration_endpoint'), '{"description":')
  expect(refused.status).toBe(400)
})
