import type { RequestListener } from 'node:http'
import { resourceServer } from '@arctos/resource-server'
import { testAuthorizationServer } from '@arctos/testing'
import { listen } from './listening.ts'
import type { McpApi } from './mcp-lines.ts'
import { check } from './scenario.ts'

/** What `mcp-lines.ts` registers under a policy that needs `write`, and how a client asks for it. */
const things = [
  ['resources/read', { uri: 'note://7' }],
  ['resources/read', { uri: 'NOTE://7' }],
  ['resources/read', { uri: 'settings://app' }],
  ['prompts/get', { name: 'review' }],
  ['tools/call', { name: 'new', arguments: {} }],
] as const

/** Holds every thing of a server of the SDK to its policy, and lets a token through that meets it. */
export async function checkThings(start: (api: McpApi) => RequestListener): Promise<void> {
  await using as = await testAuthorizationServer()
  const api = resourceServer({
    resource: 'https://api.example.com',
    authorizationServers: [as.issuer],
    scopes: { read: 'Read', write: 'Write' },
    fetch: as.fetch,
    now: as.clock.now,
    journal: () => {},
  })
  const { origin, close } = await listen(start(api))
  const ask = async (method: string, params: object, scope: string) => {
    const headers = {
      authorization: `Bearer ${await as.accessToken({ scope })}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const answer = await fetch(`${origin}/mcp`, { method: 'POST', headers, body })
    return { status: answer.status, text: await answer.text() }
  }
  try {
    for (const [method, params] of things) {
      const what = JSON.stringify(params)
      const narrow = await ask(method, params, 'read')
      check(narrow.status === 403, `${what} without the scope: ${narrow.status} ${narrow.text}`)
      const good = await ask(method, params, 'read write')
      check(good.text.includes('reached by'), `${what}: ${good.status} ${good.text}`)
    }
    const seen = await ask('resources/list', {}, 'read write')
    check(seen.text.includes('the seventh note'), `a list for those who may read: ${seen.status} ${seen.text}`)
    const unseen = await ask('resources/list', {}, 'read')
    const isWithout = unseen.status === 200 && !unseen.text.includes('the seventh note')
    check(isWithout, `a list for those who may not read: ${unseen.status} ${unseen.text}`)
  } finally {
    await close()
  }
}
