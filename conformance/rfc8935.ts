// RFC 8935: Push-Based Security Event Token (SET) Delivery Using HTTP.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { expect, type TestContext } from 'vitest'
import type { Environment } from './driver/environment.ts'
import {
  claimsOf,
  deliveryMethods,
  type Feed,
  feedVariables,
  makeStream,
  requireFeed,
  verification,
} from './driver/feed.ts'
import type { JsonObject } from './driver/http.ts'
import { scenario } from './driver/scenario.ts'

const variables = [...feedVariables, 'PUSH_ENDPOINT'] as const

interface Pushed {
  readonly method: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Listens where the issuer may push to, until the test is over; statuses are given one after the other, the last one on. */
async function listen(url: string, context: TestContext, ...statuses: readonly number[]) {
  const { hostname, port } = new URL(url)
  const got: Pushed[] = []
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part
    })
    request.on('end', () => {
      got.push({ method: request.method, headers: request.headers, body })
      response.writeHead(statuses[got.length - 1] ?? statuses.at(-1) ?? 202).end()
      for (const look of [...waiting]) look()
    })
  })
  if (!(await opens(server, Number(port), hostname))) return context.skip(`${url} is taken`)
  context.onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const count = (wanted: number) =>
    new Promise<readonly Pushed[]>((resolve) => {
      const look = (): void => {
        if (got.length < wanted) return
        waiting.delete(look)
        resolve(got)
      }
      waiting.add(look)
      look()
    })
  return { got, count }
}

function opens(server: Server, port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, host, () => resolve(true))
  })
}

async function pushedStream(
  env: Environment<(typeof variables)[number]>,
  context: TestContext,
): Promise<{ readonly feed: Feed; readonly stream: JsonObject }> {
  const feed = await requireFeed(env, context)
  const delivery = {
    method: deliveryMethods.push,
    endpoint_url: env.PUSH_ENDPOINT,
    authorization_header: 'Bearer of-the-receiver',
  }
  const stream = await makeStream(feed, context, { delivery })
  return { feed, stream }
}

const isVerification = (state: string, claims: JsonObject): boolean =>
  (claims['events'] as Readonly<Record<string, JsonObject>>)[verification]?.['state'] === state

scenario(
  'posts one token at a time, of its own media type, with the authorization that was given [RFC 8935 §2.1(a)(b)(c)]',
  variables,
  async (env, context) => {
    const { count } = await listen(env.PUSH_ENDPOINT, context)
    const { feed, stream } = await pushedStream(env, context)
    const asked = { stream_id: stream['stream_id'], state: 'pushed' }
    expect((await feed.call('POST', feed.at('verification_endpoint'), asked)).status).toBe(204)
    for (let wanted = 1; ; wanted++) {
      const pushed = (await count(wanted))[wanted - 1]
      const claims = await claimsOf(feed, stream, pushed?.body ?? '')
      expect([pushed?.method, pushed?.headers['content-type'], pushed?.headers.authorization]).toEqual([
        'POST',
        'application/secevent+jwt',
        'Bearer of-the-receiver',
      ])
      expect(pushed?.headers.accept).toMatch(/application\/json/)
      if (isVerification('pushed', claims)) return
    }
  },
)

scenario('pushes again what was not accepted [RFC 8935 §4]', variables, async (env, context) => {
  const { count } = await listen(env.PUSH_ENDPOINT, context, 503, 202)
  const { feed, stream } = await pushedStream(env, context)
  await feed.call('POST', feed.at('verification_endpoint'), { stream_id: stream['stream_id'], state: 'again' })
  for (let wanted = 2; ; wanted++) {
    const claims = await claimsOf(feed, stream, (await count(wanted))[wanted - 1]?.body ?? '')
    if (isVerification('again', claims)) return
  }
})

scenario('pushes nowhere but where it may [RFC 8935 §3]', variables, async (env, context) => {
  const feed = await requireFeed(env, context)
  for (const url of ['https://elsewhere.example/', 'http://169.254.169.254/', 'file:///etc/passwd']) {
    const delivery = { method: deliveryMethods.push, endpoint_url: url }
    const refused = await feed.call('POST', feed.at('configuration_endpoint'), { delivery })
    expect(refused.status, refused.text).toBe(400)
  }
})
