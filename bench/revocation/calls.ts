import { type Connection, formPost, openConnection } from '../token/connection.ts'
import { type Client, setting } from './setting.ts'

/** A request with a token, as bytes for the wire. */
export function get(path: string, token: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n\r\n`
}

/** A token of one of the bench's clients. */
export async function obtain(connection: Connection, client: Client = setting.client): Promise<string> {
  const form = `grant_type=client_credentials&scope=${setting.scope}&resource=${encodeURIComponent(setting.resource)}`
  const { status, body } = await connection.send(formPost('/token', client, form))
  const token = (JSON.parse(body) as { readonly access_token?: unknown }).access_token
  if (status !== 200 || typeof token !== 'string') throw new Error(`no token: ${status} ${body}`)
  return token
}

export interface UserTokens {
  readonly access_token: string
  readonly refresh_token: string
}

/** Asks the token endpoint as the bench's client; `undefined` where it refused. */
export async function askTokens(connection: Connection, form: string): Promise<UserTokens | undefined> {
  const { status, body } = await connection.send(formPost('/token', setting.client, form))
  return status === 200 ? (JSON.parse(body) as UserTokens) : undefined
}

/** The tokens of a user's grant. */
export async function redeem(connection: Connection, code: string): Promise<UserTokens> {
  const { redirectUri, codeVerifier } = setting
  const form = `grant_type=authorization_code&code=${code}&redirect_uri=${encodeURIComponent(redirectUri)}&code_verifier=${codeVerifier}`
  const tokens = await askTokens(connection, form)
  if (tokens === undefined) throw new Error('a code was not redeemed')
  return tokens
}

/** Takes a token back. Resolves once that is acknowledged. */
export async function revoke(connection: Connection, token: string): Promise<void> {
  const { status, body } = await connection.send(formPost('/revoke', setting.client, `token=${token}`))
  if (status !== 200) throw new Error(`not revoked: ${status} ${body}`)
}

/** Resolves once a guard answers with this status; throws after a time. */
export async function until(port: number, path: string, token: string, wanted: number, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs
  const connection = await openConnection(port)
  try {
    for (;;) {
      const { status } = await connection.send(get(path, token))
      if (status === wanted) return
      if (performance.now() > end) throw new Error(`${path} answers ${status}, not ${wanted}, after ${limitMs} ms`)
      await pause(5)
    }
  } finally {
    connection.close()
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
