// Other clients in the same place: each as its documentation says, with a file that all processes share.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Fetch } from '@arctos/client'
import { type Steps, watchedFetch } from './steps.ts'
import type { Task } from './worker.ts'
import type { PlainTokens } from './world.ts'

/** The packages, by the name under which a task asks for them. */
export const peers = {
  'MCP SDK 1': '@modelcontextprotocol/sdk',
  'MCP SDK 2': '@modelcontextprotocol/client',
  badgateway: '@badgateway/oauth2-client',
  google: 'google-auth-library',
} as const
export type Peer = keyof typeof peers

/** What a peer's file holds: the tokens, and when the access token ends (epoch milliseconds). */
interface Kept extends Partial<PlainTokens> {
  readonly expires_at: number
}

type Call = () => Promise<number>
type Opening = (task: Task, fetch: Fetch) => Promise<Call>

const openings: Readonly<Record<Peer, Opening>> = {
  'MCP SDK 1': async (task, fetch) => {
    const { withOAuth } = await import('@modelcontextprotocol/sdk/client/middleware.js')
    return callBy(withOAuth(mcpProvider(task) as never, task.resource)(fetch), task)
  },
  'MCP SDK 2': async (task, fetch) => {
    const { withOAuth } = await import('@modelcontextprotocol/client')
    return callBy(withOAuth(mcpProvider(task) as never, task.resource)(fetch), task)
  },
  badgateway: async (task) => {
    const { OAuth2Client, OAuth2Fetch } = await import('@badgateway/oauth2-client')
    const client = new OAuth2Client({ server: task.issuer, clientId: task.clientId, tokenEndpoint: '/token' })
    const session = new OAuth2Fetch({
      client,
      getNewToken: () => null,
      scheduleRefresh: false,
      storeToken: (token: { accessToken: string; refreshToken: string; expiresAt: number }) =>
        writeKept(task, {
          access_token: token.accessToken,
          refresh_token: token.refreshToken,
          expires_at: token.expiresAt,
        }),
      getStoredToken: () => {
        const { access_token, refresh_token, expires_at } = readKept(task)
        return { accessToken: access_token, refreshToken: refresh_token, expiresAt: expires_at }
      },
    })
    return callBy((url, init) => session.fetch(url, init), task)
  },
  google: async (task, fetch) => {
    const { OAuth2Client } = await import('google-auth-library')
    const client = new OAuth2Client({
      clientId: task.clientId,
      endpoints: { oauth2TokenUrl: `${task.issuer}/token` },
      transporterOptions: { fetchImplementation: fetch },
    })
    const { access_token, refresh_token, expires_at } = readKept(task)
    client.setCredentials({ access_token, refresh_token, expiry_date: expires_at })
    client.on('tokens', (tokens: PlainTokens & { expiry_date: number }) =>
      writeKept(task, { ...readKept(task), ...tokens, expires_at: tokens.expiry_date }),
    )
    return async () => (await client.request({ url: `${task.resource}/notes`, validateStatus: () => true })).status
  },
}

/** What calls the API as this peer does. Steps are those of what it posts; its file is written whole. */
export async function openPeer(task: Task, steps: Steps | undefined): Promise<Call> {
  const plain = globalThis.fetch
  const posting: Fetch = steps === undefined ? plain : watchedFetch(steps, plain)
  if (steps !== undefined) globalThis.fetch = posting as typeof plain
  console.warn = () => undefined
  return await openings[task.library as Peer](task, posting)
}

/** The version that the lock file here has brought. */
export function versionOf(peer: Peer): string {
  const file = join(import.meta.dirname, '../node_modules', peers[peer], 'package.json')
  return JSON.parse(readFileSync(file, 'utf8')).version
}

export function writeKept({ place }: Pick<Task, 'place'>, kept: Kept): void {
  const draft = `${place.at}.${process.pid}`
  writeFileSync(draft, JSON.stringify(kept), { mode: 0o600 })
  renameSync(draft, place.at)
}

export function readKept({ place }: Pick<Task, 'place'>): Kept {
  return existsSync(place.at) ? JSON.parse(readFileSync(place.at, 'utf8')) : { expires_at: 0 }
}

function callBy(fetchNotes: (url: string, init?: RequestInit) => Promise<Response>, { resource }: Task): Call {
  return async () => {
    const response = await fetchNotes(`${resource}/notes`)
    await response.arrayBuffer()
    return response.status
  }
}

/** The provider that the MCP SDK, in either major version, asks its users to write. A redirect is a login that nobody is there for. */
function mcpProvider(task: Task) {
  const redirectUrl = 'http://127.0.0.1:1/callback'
  const metadata = { client_name: 'bench', redirect_uris: [redirectUrl] }
  let verifier = ''
  return {
    redirectUrl,
    clientMetadata: metadata,
    clientInformation: () => ({ client_id: task.clientId }),
    tokens: () => {
      const { access_token, refresh_token } = readKept(task)
      return access_token === undefined ? undefined : { access_token, refresh_token, token_type: 'Bearer' }
    },
    saveTokens: (tokens: PlainTokens) => writeKept(task, { ...tokens, expires_at: 0 }),
    redirectToAuthorization: () => undefined,
    saveCodeVerifier: (text: string) => {
      verifier = text
    },
    codeVerifier: () => verifier,
    invalidateCredentials: (what: string) => {
      if (what === 'all' || what === 'tokens') rmSync(task.place.at, { force: true })
    },
  }
}
