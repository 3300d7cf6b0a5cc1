import type { RequestListener } from 'node:http'
import { type ResourceServer, resourceServer } from '@arctos/resource-server'
import * as second from '@modelcontextprotocol/client'
import type { OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { listen } from './listening.ts'
import type { McpApi } from './mcp-lines.ts'
import { createAppProvider, finishAuth } from './mcp-scenario.ts'
import { check, checkRefused } from './scenario.ts'
import type { World } from './world.ts'

const about = { name: 'interop', version: '1.0.0' }

/** Serves an MCP server as a resource of the running issuer, while `use` runs. */
export async function serveMcp(
  { env, registerResource }: World,
  start: (api: McpApi) => RequestListener,
  use: (url: string) => Promise<void>,
): Promise<void> {
  let listener: RequestListener | undefined
  const { origin, close } = await listen((request, response) => listener?.(request, response))
  const url = `${origin}/mcp`
  await registerResource(url, 'read=Read', 'write=Write')
  const api: ResourceServer<'read' | 'write'> = resourceServer({
    resource: url,
    authorizationServers: [env.ISSUER],
    scopes: { read: 'Read', write: 'Write' },
    journal: () => {},
  })
  listener = start(api)
  try {
    await use(url)
  } finally {
    await close()
  }
}

/**
 * A client of the second line that was given `read` calls a tool that needs `write`: it sees what is lacking, and gets a token with
 * both. Of the first line only applications with a user do that.
 */
export async function checkMachineStepUp({ env }: World, url: string, mode: 'legacy' | 'auto'): Promise<void> {
  const asked: string[] = []
  const watch: typeof fetch = (input, init) => {
    if (init?.body instanceof URLSearchParams) asked.push(init.body.get('scope') ?? 'nothing')
    return fetch(input, init)
  }
  const { CLIENT_ID: clientId, CLIENT_SECRET: clientSecret, ISSUER: expectedIssuer } = env
  const authProvider = new second.ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer, scope: 'read' })
  const client = new second.Client(about, { versionNegotiation: { mode } })
  await client.connect(new second.StreamableHTTPClientTransport(new URL(url), { authProvider, fetch: watch }))
  try {
    for (const name of ['read', 'write']) {
      const answer = JSON.stringify(await client.callTool({ name, arguments: {} }))
      check(answer.includes(`reached by ${clientId}`), `${name}: ${answer}`)
    }
    check(asked.at(-1)?.split(' ').sort().join(' ') === 'read write', `asked for ${asked.join(', then for ')}`)
  } finally {
    await client.close()
  }
}

/** The same with a user, who is asked for `write` when a tool needs it. */
export async function checkUserStepUp({ env, authorize }: World, url: string): Promise<void> {
  const opened: { url: URL } = { url: new URL('about:blank') }
  const app = createAppProvider(env.PUBLIC_CLIENT_ID, env.REDIRECT_URI, (address) => {
    opened.url = address
  })
  const call = async (name: string): Promise<string> => {
    const client = new Client(about)
    const transport = transportOf(url, app.provider)
    await client.connect(transport as Parameters<typeof client.connect>[0])
    try {
      return JSON.stringify(await client.callTool({ name, arguments: {} }))
    } finally {
      await client.close()
    }
  }
  const signIn = async (): Promise<void> => {
    const transport = transportOf(url, app.provider)
    await finishAuth(transport, (await authorize(opened.url)).searchParams)
    // With a refresh token this generation refreshes, which widens nothing, and gives up.
    app.kept.tokens = { access_token: app.kept.tokens?.access_token ?? '' }
  }
  await checkRefused(() => call('read'), 'it was let in without a token')
  opened.url.searchParams.set('scope', 'read')
  await signIn()
  check((await call('read')).includes('reached by'), 'read was not reached')
  await checkRefused(() => call('write'), 'write was let in with the scope read')
  const asked = opened.url.searchParams.get('scope')
  check(asked?.split(' ').includes('write'), `the user was asked for ${asked}`)
  await signIn()
  check((await call('write')).includes('reached by'), 'write was not reached')
}

/** The provider keeps what it is given, whatever that is. */
function transportOf(url: string, provider: unknown): StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(url), { authProvider: provider as OAuthClientProvider })
}
