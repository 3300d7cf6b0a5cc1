import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Running, start } from './running.ts'
import { arctos, type Ended } from './transcript.ts'

/** Somebody at a terminal, beside `arctos dev`: a home of their own, and a browser that agrees to everything. */
export interface TerminalUser {
  readonly folder: string
  /** Names and values of the environment file of `arctos dev`. */
  readonly samples: Readonly<Record<string, string>>
  readonly environment: Record<string, string>
  /** What `arctos login` needs for the sample API. */
  readonly loginArguments: readonly string[]
  run(
    args: readonly string[],
    more?: { readonly input?: string; readonly env?: Record<string, string> },
  ): Promise<Ended>
  /** Starts a command that may wait. */
  start(args: readonly string[], env?: Record<string, string>): Running
  /** How many pages the browser was asked to open. */
  tabs(): number
  /** A folder for sessions that nobody used. */
  freshSessions(): string
  readonly dev: Running
  close(): Promise<void>
}

const browser = new URL('../../../packages/client/test/support/browser.ts', import.meta.url)

export async function startTerminalUser(): Promise<TerminalUser> {
  const folder = mkdtempSync(join(tmpdir(), 'arctos-terminal-'))
  const dev = start(['dev', '--port', '0', '--api-port', '0', '--data-dir', 'data', '--write-env', 'env'], folder)
  await dev.until(/Ctrl-C ends/)
  const samples = Object.fromEntries(
    [...readFileSync(join(folder, 'env'), 'utf8').matchAll(/^(\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]),
  ) as Record<string, string>

  const program = join(folder, 'browser.mjs')
  const log = join(folder, 'tabs')
  writeFileSync(log, '')
  const { USERNAME: username, PASSWORD: password } = samples
  writeFileSync(
    program,
    `#!${process.execPath}
import { appendFileSync } from 'node:fs'
import { createBrowser } from ${JSON.stringify(browser.href)}
appendFileSync(${JSON.stringify(log)}, 'tab\\n')
const decision = process.env.TEST_DECISION ?? 'approve'
if (decision !== 'none') await createBrowser({ ...${JSON.stringify({ username, password })}, decision }).visit(process.argv[2])
`,
  )
  chmodSync(program, 0o700)

  let fresh = 0
  const freshSessions = (): string => join(folder, `sessions-${fresh++}`)
  const environment = { BROWSER: program, ARCTOS_KEYCHAIN: 'never', ARCTOS_SESSIONS: freshSessions(), HOME: folder }
  const { ISSUER = '', PUBLIC_CLIENT_ID = '', AUDIENCE = '', USER_SCOPE = '' } = samples
  const place = ['--issuer', ISSUER, '--client-id', PUBLIC_CLIENT_ID, '--resource', AUDIENCE]
  return {
    folder,
    samples,
    environment,
    loginArguments: ['login', ...place, '--scope', USER_SCOPE],
    run: (args, { input, env } = {}) =>
      arctos(args, { cwd: folder, env: { ...environment, ...env }, ...(input !== undefined && { input }) }),
    start: (args, env) => start(args, folder, { ...environment, ...env }),
    tabs: () => readFileSync(log, 'utf8').split('\n').length - 1,
    freshSessions,
    dev,
    async close() {
      await dev.stop()
      rmSync(folder, { recursive: true })
    },
  }
}
