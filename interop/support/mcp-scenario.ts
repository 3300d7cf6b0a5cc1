import { startMcpServer } from './mcp-server.ts'
import { check, checkRefused, defineScenario, type Scenario } from './scenario.ts'

/** What both generations of the SDK give their users. */
export interface McpSdk {
  readonly Client: new (about: {
    name: string
    version: string
  }) => {
    connect(transport: McpTransport): Promise<void>
    callTool(call: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>
    close(): Promise<void>
  }
  readonly StreamableHTTPClientTransport: new (url: URL, options: { authProvider?: Provider }) => McpTransport
  readonly ClientCredentialsProvider: new (options: MachineOptions & { clientSecret: string }) => Provider
  readonly PrivateKeyJwtProvider: new (options: MachineOptions & { privateKey: Key; algorithm: string }) => Provider
}

type Key = Record<string, unknown>
// Every SDK has its own types for these; to them they are opaque here.
// biome-ignore lint/suspicious/noExplicitAny: two generations, two types
type Provider = any
// biome-ignore lint/suspicious/noExplicitAny: two generations, two types
type McpTransport = any

interface MachineOptions {
  readonly clientId: string
  readonly scope: string
  readonly expectedIssuer: string
}

interface Tokens {
  readonly access_token: string
  readonly refresh_token?: string
}

/** An application with a user: it keeps what the SDK gives it, and hands addresses to the browser. */
export function createAppProvider(clientId: string, redirectUri: string, open: (url: URL) => void) {
  let verifier = ''
  const kept: { tokens?: Tokens | undefined; discovery?: unknown } = {}
  const provider = {
    redirectUrl: redirectUri,
    clientMetadata: {
      client_name: 'Interop',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      token_endpoint_auth_method: 'none',
    },
    state: () => 'a state',
    clientInformation: () => ({ client_id: clientId }),
    tokens: () => kept.tokens,
    saveTokens(tokens: Tokens) {
      kept.tokens = tokens
    },
    redirectToAuthorization(url: URL) {
      // The older SDK asks for what the challenge names and nothing beside: lasting access is for the application to add.
      const scopes = url.searchParams.get('scope')?.split(' ') ?? []
      url.searchParams.set('scope', [...new Set([...scopes, 'offline_access'])].join(' '))
      open(url)
    },
    saveCodeVerifier(text: string) {
      verifier = text
    },
    codeVerifier: () => verifier,
    discoveryState: () => kept.discovery,
    saveDiscoveryState(state: unknown) {
      kept.discovery = state
    },
  }
  return { provider, kept }
}

/** The scenario of an MCP client against an MCP server behind our guard. */
export function mcpScenario(program: string, sdk: McpSdk): Scenario {
  const callWhoami = async (url: string, authProvider: Provider): Promise<string> => {
    const client = new sdk.Client({ name: 'interop', version: '1.0.0' })
    await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { authProvider }))
    try {
      return JSON.stringify(await client.callTool({ name: 'whoami', arguments: {} }))
    } finally {
      await client.close()
    }
  }
  return defineScenario({
    program,
    steps: [
      'refused without token',
      '401 to authorization',
      'code + PKCE',
      'tool',
      'refresh',
      'client credentials',
      'private_key_jwt',
    ],
    async run(world, step) {
      const { env } = world
      const server = await startMcpServer(world)
      try {
        await step('refused without token', () =>
          checkRefused(() => callWhoami(server.url, undefined), 'it was let in'),
        )

        const opened: { url?: URL } = {}
        const app = createAppProvider(env.PUBLIC_CLIENT_ID, env.REDIRECT_URI, (url) => {
          opened.url = url
        })
        await step('401 to authorization', async () => {
          await checkRefused(() => callWhoami(server.url, app.provider), 'it was let in')
          const { href, searchParams } = opened.url ?? new URL('about:blank')
          check(href.startsWith(`${env.ISSUER}/authorize?`), `the browser was sent to ${href}`)
          check(searchParams.get('resource') === server.url, `for ${searchParams.get('resource')}`)
        })
        await step('code + PKCE', async () => {
          const callback = (await world.authorize(opened.url ?? '')).searchParams
          check(callback.get('state') === 'a state', 'the state is lost')
          const transport = new sdk.StreamableHTTPClientTransport(new URL(server.url), { authProvider: app.provider })
          await finishAuth(transport, callback)
          check(app.kept.tokens?.access_token, 'no token was kept')
        })
        await step('tool', async () => {
          const answer = await callWhoami(server.url, app.provider)
          check(answer.includes(env.PUBLIC_CLIENT_ID), answer)
        })
        await step('refresh', async () => {
          const { refresh_token } = app.kept.tokens ?? {}
          check(refresh_token, 'there is no refresh token')
          // A token that the guard refuses: the SDK has to get another one by itself.
          app.kept.tokens = { ...app.kept.tokens, access_token: 'expired', refresh_token }
          const answer = await callWhoami(server.url, app.provider)
          check(answer.includes(env.PUBLIC_CLIENT_ID), answer)
          check(app.kept.tokens.refresh_token !== refresh_token, 'the refresh token was not rotated')
        })

        const machine = { scope: 'tools', expectedIssuer: env.ISSUER }
        await step('client credentials', async () => {
          const options = { ...machine, clientId: env.CLIENT_ID, clientSecret: env.CLIENT_SECRET }
          const answer = await callWhoami(server.url, new sdk.ClientCredentialsProvider(options))
          check(answer.includes(env.CLIENT_ID), answer)
        })
        await step('private_key_jwt', async () => {
          const privateKey = JSON.parse(env.PKJWT_PRIVATE_JWK)
          const options = { ...machine, clientId: env.PKJWT_CLIENT_ID, privateKey, algorithm: 'ES256' }
          const answer = await callWhoami(server.url, new sdk.PrivateKeyJwtProvider(options))
          check(answer.includes(env.PKJWT_CLIENT_ID), answer)
        })
      } finally {
        await server.close()
      }
    },
  })
}

/** The newer SDK takes the whole answer, to check who gave it; the older one takes the code. */
export async function finishAuth(transport: McpTransport, callback: URLSearchParams): Promise<void> {
  const takesAnswer = transport.finishAuth.length > 1
  await transport.finishAuth(takesAnswer ? callback : callback.get('code'))
}
