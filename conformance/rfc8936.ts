// RFC 8936: Poll-Based Security Event Token (SET) Delivery Using HTTP.
import { expect, type TestContext } from 'vitest'
import type { Environment } from './driver/environment.ts'
import { type Feed, feedVariables, makeStream, pollVerification, requireFeed } from './driver/feed.ts'
import { type Answer, type JsonObject, jsonOf } from './driver/http.ts'
import { scenario } from './driver/scenario.ts'

interface Queue {
  readonly feed: Feed
  readonly stream: JsonObject
  readonly poll: (body: unknown, token?: string) => Promise<Answer>
}

const state = 'of-the-poll'

/** A stream with one event on it, which was seen and not acknowledged. */
async function queueWithEvent(
  env: Environment<(typeof feedVariables)[number]>,
  context: TestContext,
): Promise<Queue & { readonly jti: string }> {
  const feed = await requireFeed(env, context)
  const stream = await makeStream(feed, context)
  const { endpoint_url: url } = stream['delivery'] as { readonly endpoint_url: string }
  await feed.call('POST', feed.at('verification_endpoint'), { stream_id: stream['stream_id'], state })
  const { jti } = await pollVerification(feed, stream, state)
  return { feed, stream, jti, poll: (body, token) => feed.call('POST', url, body, token) }
}

const setsOf = (answer: Answer): Readonly<Record<string, string>> =>
  jsonOf(answer)['sets'] as Readonly<Record<string, string>>
const now = { returnImmediately: true }

scenario('hands out tokens by their jti, in JSON [RFC 8936 §2.5(a)(b)]', feedVariables, async (env, context) => {
  const { poll, jti } = await queueWithEvent(env, context)
  const answer = await poll(now)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    expect.stringMatching(/^application\/json\b/),
  ])
  expect(setsOf(answer)[jti]).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
})

scenario(
  'keeps an event until it is acknowledged, and not longer [RFC 8936 §2.4(b)]',
  feedVariables,
  async (env, context) => {
    const { poll, jti } = await queueWithEvent(env, context)
    expect(Object.keys(setsOf(await poll(now)))).toContain(jti)
    expect(Object.keys(setsOf(await poll({ ...now, ack: [jti] })))).not.toContain(jti)
    expect(Object.keys(setsOf(await poll(now)))).not.toContain(jti)
  },
)

scenario(
  'takes an acknowledgement alone, and hands out nothing for it [RFC 8936 §2.4(a)]',
  feedVariables,
  async (env, context) => {
    const { poll, jti } = await queueWithEvent(env, context)
    const answer = await poll({ maxEvents: 0, ack: [] })
    expect([answer.status, setsOf(answer)]).toEqual([200, {}])
    expect(Object.keys(setsOf(await poll(now)))).toContain(jti)
  },
)

scenario('takes word of an event that could not be used [RFC 8936 §2.4.4]', feedVariables, async (env, context) => {
  const { poll, jti } = await queueWithEvent(env, context)
  const answer = await poll({ ...now, setErrs: { [jti]: { err: 'invalid_state', description: 'another state' } } })
  expect(answer.status, answer.text).toBe(200)
})

scenario(
  'answers at once where that is asked for, also with nothing [RFC 8936 §2.4(c)]',
  feedVariables,
  async (env, context) => {
    const { poll, jti } = await queueWithEvent(env, context)
    const answer = await poll({ ...now, ack: [jti] })
    expect([answer.status, setsOf(answer)]).toEqual([200, {}])
    expect(jsonOf(answer)['moreAvailable']).not.toBe(true)
  },
)

scenario(
  'says what is wrong with a request that it cannot read [RFC 8936 §2.6]',
  feedVariables,
  async (env, context) => {
    const { poll } = await queueWithEvent(env, context)
    for (const wrong of ['{', { ack: 'all' }, { maxEvents: -1 }]) {
      const answer = await poll(wrong)
      expect(answer.status, answer.text).toBe(400)
      expect(typeof jsonOf(answer)['err']).toBe('string')
    }
  },
)

scenario('hands out nothing to strangers [RFC 8936 §3]', feedVariables, async (env, context) => {
  const { poll } = await queueWithEvent(env, context)
  for (const token of ['', 'not-a-token']) {
    const answer = await poll(now, token)
    expect(answer.status).toBe(401)
    expect(answer.text).not.toContain('"sets"')
  }
})
