import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { freePort } from '../../packages/bff/test/support/free-port.ts'
import { createTime, registerApp, secret, startApi, startIssuer } from '../../packages/bff/test/support/servers.ts'
import { ownCall } from '../../packages/bff/test/support/site.ts'
import { createVisitor } from '../../packages/bff/test/support/visitor.ts'

/** Starts the example as its script does, with an authorization server and an API. */
async function start(): Promise<{ readonly example: ChildProcess; readonly origin: string }> {
  const time = createTime()
  const issuer = await startIssuer(time)
  const api = await startApi(issuer, time, 'jwt', (_request, response) => response.end('a note'))
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  await registerApp(issuer, origin)
  const settings = { ISSUER: issuer.issuer, AUDIENCE: api.origin, CLIENT_ID: 'web', CLIENT_SECRET: secret }
  const example = spawn(process.execPath, ['--conditions=arctos-source', join(import.meta.dirname, 'server.ts')], {
    env: { ...process.env, ...settings, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void example.kill('SIGKILL'))
  await once(example.stdout, 'data')
  return { example, origin }
}

describe('the browser application', () => {
  it('logs a user in, calls the API for its page and logs out', async () => {
    const { origin } = await start()
    const visitor = createVisitor()
    const call = (path: string, method = 'GET') => visitor.go(`${origin}${path}`, { method, headers: ownCall })
    expect(await (await visitor.go(`${origin}/`)).text()).toContain('<h1>Browser application</h1>')
    expect((await call('/api/read')).status).toBe(401)
    await visitor.follow(`${origin}/bff/login?return_to=/`)
    const answer = await call('/api/read')
    expect([answer.status, await answer.text()]).toEqual([200, 'a note'])
    expect(await (await call('/bff/logout', 'POST')).json()).toEqual({ loggedIn: false, revoked: true })
    expect((await call('/api/read')).status).toBe(401)
  })

  it('ends with 0 on SIGTERM', async () => {
    const { example } = await start()
    example.kill('SIGTERM')
    expect(await once(example, 'exit')).toEqual([0, null])
  })
})
