import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { encodeHeader, signCompactJws } from '@arctos/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const audience = 'http://127.0.0.1/notes'
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = { kid: 'key-1', algorithm: 'ES256', key: privateKey } as const

let issuerServer: Server
let issuer: string
let example: ChildProcess
let origin: string

beforeAll(async () => {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: key.kid, alg: 'ES256', use: 'sig' }
  issuerServer = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    const answers = new Map<string | undefined, unknown>([
      ['/keys', { keys: [jwk] }],
      ['/.well-known/oauth-authorization-server', { issuer, introspection_endpoint: `${issuer}/introspect` }],
      ['/introspect', { active: true, client_id: 'client-1', scope: 'notes:read' }],
    ])
    response.end(JSON.stringify(answers.get(request.url) ?? {}))
  }).listen(0, '127.0.0.1')
  await once(issuerServer, 'listening')
  issuer = `http://127.0.0.1:${(issuerServer.address() as AddressInfo).port}`
  const started = await start({})
  example = started.example
  origin = started.origin
})
afterAll(async () => {
  example.kill('SIGKILL')
  issuerServer.closeAllConnections()
  await new Promise((resolve) => issuerServer.close(resolve))
})

/** Starts the example as its script does, and reads where it listens. */
async function start(variables: Record<string, string>): Promise<{ example: ChildProcess; origin: string }> {
  const settings = { ISSUER: issuer, JWKS_URI: `${issuer}/keys`, AUDIENCE: audience, SCOPE: 'notes:read', PORT: '0' }
  const credential = { RS_CLIENT_ID: 'rs', RS_CLIENT_SECRET: 'secret' }
  const child = spawn(process.execPath, ['--conditions=arctos-source', join(import.meta.dirname, 'server.ts')], {
    env: { ...process.env, ...settings, ...credential, ...variables },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [line] = await once(child.stdout, 'data')
  return { example: child, origin: /http:\S+/.exec(String(line))?.[0] ?? '' }
}

function token(scope: string): string {
  const now = Math.floor(Date.now() / 1_000)
  const claims = {
    iss: issuer,
    aud: audience,
    sub: 'user-1',
    client_id: 'client-1',
    jti: 'a',
    iat: now,
    exp: now + 60,
    scope,
  }
  return signCompactJws(encodeHeader(key, 'at+jwt'), JSON.stringify(claims), key)
}

async function statusOf(path: string, credential?: string): Promise<number> {
  const headers = credential === undefined ? {} : { authorization: `Bearer ${credential}` }
  return (await fetch(origin + path, { headers })).status
}

describe('the guarded API', () => {
  it('leaves /public open', async () => {
    expect(await statusOf('/public')).toBe(200)
  })

  it('asks for a token, and tells where to get one [RFC 9728 §5.1]', async () => {
    const response = await fetch(`${origin}/read`)
    const url = /resource_metadata="([^"]+)"/.exec(response.headers.get('www-authenticate') ?? '')?.[1]
    expect([response.status, url]).toEqual([401, 'http://127.0.0.1/.well-known/oauth-protected-resource/notes'])
    const document = await (await fetch(`${origin}/.well-known/oauth-protected-resource/notes`)).json()
    expect(document).toMatchObject({ resource: audience, authorization_servers: [issuer] })
  })

  it('takes a token with the scope of the route, and no other [RFC 6750 §3.1(c)]', async () => {
    expect(await statusOf('/read', token('notes:read'))).toBe(200)
    expect(await statusOf('/write', token('notes:read'))).toBe(403)
    expect(await statusOf('/write', token('write'))).toBe(200)
    expect(await statusOf('/read', `${token('notes:read')}A`)).toBe(401)
  })

  it('asks the issuer about an opaque token', async () => {
    expect(await statusOf('/read', 'opaque')).toBe(200)
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 on %s', async (signal) => {
    const { example: another } = await start({})
    another.kill(signal)
    expect(await once(another, 'exit')).toEqual([0, null])
  })
})
