import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { createBrowser } from '../../conformance/driver/browser.ts'
import { type Environment, readEnvironmentFile } from '../../conformance/driver/environment.ts'

/** A running `arctos dev` and a user in front of a browser. */
export interface World {
  readonly env: Environment
  /** Sends the user through sign-in and consent; resolves to the address at which the client would be called. */
  readonly authorize: (url: string | URL) => Promise<URL>
  /** A token of the sample service for the first API. */
  readonly freshToken: () => Promise<string>
  /** Registers one more API while the server runs, as an operator would. */
  readonly registerResource: (identifier: string, ...scopes: readonly string[]) => Promise<void>
  readonly stop: () => Promise<void>
}

const repository = resolve(import.meta.dirname, '../..')
const arctos = ['--conditions=arctos-source', join(repository, 'apps/cli/src/main.ts')]
const startLimitMs = 30_000

export async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'arctos-interop-'))
  const dataDir = join(folder, 'data')
  const file = join(folder, 'env')
  const options = ['--port', '0', '--api-port', '0', '--data-dir', dataDir, '--write-env', file]
  const child = spawn(process.execPath, [...arctos, 'dev', ...options], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text))
  await waitFor(
    () => existsSync(file),
    child,
    () => said,
  )
  const env = readEnvironmentFile(file) as Environment
  const user = { signIn: { username: env.USERNAME, password: env.PASSWORD }, decision: 'approve' } as const
  const browser = createBrowser(env.REDIRECT_URI)
  return {
    env,
    async authorize(url) {
      const { left, last } = await browser.visit(String(url), user)
      if (left === undefined) throw new Error(`${last.url} answered ${last.status}: ${last.text.slice(0, 300)}`)
      return left
    },
    async freshToken() {
      const authorization = `Basic ${Buffer.from(`${env.CLIENT_ID}:${env.CLIENT_SECRET}`).toString('base64')}`
      const body = new URLSearchParams({ grant_type: 'client_credentials', scope: env.SCOPE })
      const answer = await fetch(`${env.ISSUER}/token`, { method: 'POST', headers: { authorization }, body })
      const { access_token } = (await answer.json()) as { access_token: string }
      return access_token
    },
    async registerResource(identifier, ...scopes) {
      const named = scopes.flatMap((scope) => ['--scope', scope])
      const command = ['resource', 'create', identifier, ...named, '--data-dir', dataDir]
      await promisify(execFile)(process.execPath, [...arctos, ...command], { cwd: folder })
    },
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await new Promise((exited) => child.once('exit', exited))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function waitFor(isThere: () => boolean, child: ChildProcess, said: () => string): Promise<void> {
  const deadline = Date.now() + startLimitMs
  while (!isThere()) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`arctos dev did not start: ${said()}`)
    }
    await new Promise((later) => setTimeout(later, 50))
  }
}
