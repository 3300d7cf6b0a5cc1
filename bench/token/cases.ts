import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { type Connection, formPost } from './connection.ts'
import { floorPaths, setting, type Target } from './setting.ts'

/** What is measured. */
export const caseNames = ['client_credentials jwt', 'client_credentials opaque', 'refresh', 'introspect'] as const
export type CaseName = (typeof caseNames)[number]

/** What no server on node:http gets below; measured to read the others by. */
export const floorNames = ['node:http, constant answer', 'node:http, one signature'] as const
export type FloorName = (typeof floorNames)[number]

/** One connection's work: the next request, and what is wrong with its answer. */
export interface Chain {
  readonly next: () => string
  /** Reads an answer with status 200; returns what is wrong with it. */
  readonly take: (body: string) => string | undefined
}

type Json = Readonly<Record<string, unknown>>

/** Prepares the work of one connection; talks to the server for it. */
export async function startChain(
  name: CaseName | FloorName,
  connection: Connection,
  target: Target,
  keys: ReadonlyMap<string, KeyObject>,
  code: string,
): Promise<Chain> {
  switch (name) {
    case 'client_credentials jwt':
      return issuing(clientCredentials(target, setting.jwtResource), jwtCheck(keys))
    case 'client_credentials opaque':
      return issuing(clientCredentials(target, setting.opaqueResource), isOpaque)
    case 'refresh':
      return refreshing(target, await redeem(connection, target, code), jwtCheck(keys))
    case 'introspect':
      return introspecting(target, await obtainOpaque(connection, target))
    case 'node:http, constant answer':
      return repeating(clientCredentials({ tokenPath: floorPaths.constant }, setting.jwtResource), jwtCheck(keys))
    case 'node:http, one signature':
      return issuing(clientCredentials({ tokenPath: floorPaths.signed }, setting.jwtResource), jwtCheck(keys))
  }
}

function clientCredentials(target: Pick<Target, 'tokenPath'>, resource: string): string {
  const form = `grant_type=client_credentials&scope=${setting.scope}&resource=${encodeURIComponent(resource)}`
  return formPost(target.tokenPath, setting.client, form)
}

function issuing(request: string, isRight: (token: string) => boolean): Chain {
  let last = ''
  return {
    next: () => request,
    take(body) {
      const { access_token, token_type } = JSON.parse(body) as Json
      if (typeof access_token !== 'string' || token_type !== 'Bearer') return 'no bearer token'
      if (access_token === last) return 'the token of the request before'
      last = access_token
      return isRight(access_token) ? undefined : 'a token of the wrong form'
    },
  }
}

/** The same token in every answer. */
function repeating(request: string, isRight: (token: string) => boolean): Chain {
  return {
    next: () => request,
    take: (body) =>
      isRight(String((JSON.parse(body) as Json)['access_token'])) ? undefined : 'a token of the wrong form',
  }
}

/** Every request carries the refresh token of the answer before. */
function refreshing(target: Target, first: string, isRight: (token: string) => boolean): Chain {
  let current = first
  return {
    next: () =>
      formPost(
        target.tokenPath,
        setting.client,
        `grant_type=refresh_token&refresh_token=${encodeURIComponent(current)}`,
      ),
    take(body) {
      const { access_token, refresh_token } = JSON.parse(body) as Json
      if (typeof access_token !== 'string' || typeof refresh_token !== 'string') return 'not both tokens'
      if (refresh_token === current) return 'not rotated'
      current = refresh_token
      return isRight(access_token) ? undefined : 'an access token of the wrong form'
    },
  }
}

function introspecting(target: Target, tokens: readonly string[]): Chain {
  const requests = tokens.map((token) => formPost(target.introspectPath, setting.resourceServer, `token=${token}`))
  let turn = 0
  return {
    next: () => requests[turn++ % requests.length] as string,
    take(body) {
      const { active, client_id, scope, exp } = JSON.parse(body) as Json
      if (active !== true) return 'not active'
      const isRight = client_id === setting.client.id && scope === setting.scope && typeof exp === 'number'
      return isRight ? undefined : 'not what was issued'
    },
  }
}

async function redeem(connection: Connection, target: Target, code: string): Promise<string> {
  const { redirectUri, codeVerifier, client } = setting
  const form = `grant_type=authorization_code&code=${code}&redirect_uri=${encodeURIComponent(redirectUri)}&code_verifier=${codeVerifier}`
  const { status, body } = await connection.send(formPost(target.tokenPath, client, form))
  const token = (JSON.parse(body) as Json)['refresh_token']
  if (status !== 200 || typeof token !== 'string') throw new Error(`no refresh token for a code: ${status} ${body}`)
  return token
}

const tokensOfConnection = 8

async function obtainOpaque(connection: Connection, target: Target): Promise<readonly string[]> {
  const tokens: string[] = []
  while (tokens.length < tokensOfConnection) {
    const { status, body } = await connection.send(clientCredentials(target, setting.opaqueResource))
    const token = (JSON.parse(body) as Json)['access_token']
    if (status !== 200 || typeof token !== 'string') throw new Error(`no opaque token: ${status} ${body}`)
    tokens.push(token)
  }
  return tokens
}

function isOpaque(token: string): boolean {
  return token.length >= 43 && !token.includes('.')
}

/** One signature in so many is verified, which keeps the load cheap; the form of every token is looked at. */
const verifiedShare = 50

function jwtCheck(keys: ReadonlyMap<string, KeyObject>): (token: string) => boolean {
  let count = 0
  const headers = new Map<string, KeyObject | undefined>()
  return (token) => {
    const [header = '', payload = '', signature = '', ...rest] = token.split('.')
    if (!headers.has(header)) headers.set(header, keyOfHeader(keys, header))
    const key = headers.get(header)
    if (key === undefined || payload === '' || signature.length !== 86 || rest.length > 0) return false
    if (count++ % verifiedShare !== 0) return true
    const input = Buffer.from(`${header}.${payload}`)
    return verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))
  }
}

function keyOfHeader(keys: ReadonlyMap<string, KeyObject>, header: string): KeyObject | undefined {
  const { alg, kid, typ } = JSON.parse(Buffer.from(header, 'base64url').toString()) as Json
  return alg === 'ES256' && typ === 'at+jwt' ? keys.get(String(kid)) : undefined
}

/** The server's published keys, by id. */
export async function readKeys(target: Target): Promise<ReadonlyMap<string, KeyObject>> {
  const answer = await fetch(`http://127.0.0.1:${target.port}${target.jwksPath}`)
  const { keys } = (await answer.json()) as { keys: readonly { readonly kid: string }[] }
  return new Map(keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk as object, format: 'jwk' })]))
}
