import { mkdirSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import {
  type AuthorizationServer,
  bindAll,
  createAuthorizationServer,
  isLoopbackIssuer,
  issuerProblem,
  listen,
  openStore,
} from '@arctos/authorization-server'
import { formatExplanation } from '@arctos/core'
import type { RefusalReport } from '@arctos/resource-server'
import type { Command } from 'commander'
import { ConfigurationError } from '../configuration.ts'
import { checkEnvironmentFile, writeEnvironmentFile } from '../dev/environment-file.ts'
import { makeFirstCalls } from '../dev/first-calls.ts'
import { introduce } from '../dev/introduction.ts'
import { createNotesApi } from '../dev/notes-api.ts'
import { registerSamples, restoreUser } from '../dev/samples.ts'
import { openDevelopmentKey } from '../key-file.ts'
import { configurationOf, defaultDataDir, type RawOptions } from '../open.ts'
import { ended } from '../signals.ts'
import { CommandError, paint, print } from '../terminal.ts'
import { withConfiguration } from './options.ts'

const loopback = ['127.0.0.1', '::1']
const drainLimitMs = 2_000

interface DevOptions extends RawOptions {
  readonly apiPort?: string
  readonly writeEnv?: string
  readonly once?: boolean
}

export function registerDev(program: Command): void {
  const dev = program.command('dev').description('run a server and a sample API, and make the first calls')
  withConfiguration(dev, ['port', 'dataDir', 'issuer'])
    .option('--api-port <N>', 'port of the sample API; 0 picks a free one', '4001')
    .option('--write-env <FILE>', 'write addresses and sample credentials as a dotenv file')
    .option('--once', 'make the first calls and exit')
    .action(run)
}

async function run(options: DevOptions): Promise<void> {
  const { port = 4000, dataDir = defaultDataDir, issuer } = configurationOf(options)
  const apiPort = readPort(options.apiPort ?? '4001')
  if (issuer !== undefined) checkIssuer(issuer)
  const { writeEnv, once = false } = options
  if (writeEnv !== undefined) checkEnvironmentFile(writeEnv)
  const ends: End[] = []
  try {
    await runUntilEnded({ port, apiPort, dataDir, issuer, writeEnv, once }, ends)
  } finally {
    // Last started, first ended; also when something in between failed, or the process would stay.
    for (const end of ends.reverse()) await end()
  }
}

type End = () => Promise<void>

interface Settings {
  readonly port: number
  readonly apiPort: number
  readonly dataDir: string
  readonly issuer: string | undefined
  readonly writeEnv: string | undefined
  readonly once: boolean
}

async function runUntilEnded(settings: Settings, ends: End[]): Promise<void> {
  const { dataDir, writeEnv, once } = settings
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const key = openDevelopmentKey(dataDir)
  const store = await openStore({ database: join(dataDir, 'arctos.sqlite'), environment: 'test' })
  ends.push(() => store.close())
  await store.migrate()
  const { issuer, apiOrigin, setServer, setApi } = await openPorts(settings, ends)

  const samples = await registerSamples(store, key, apiOrigin)
  const server = await createAuthorizationServer({ issuer, store, kek: key, defaultResource: samples.audience })
  ends.push(server.startUpkeep())
  setServer(server)
  const reports = createReports()
  const receipts = { seal: server.context.receipts.sealContent }
  const api = createNotesApi(issuer, samples, { receipts, onRefusal: reports.add })
  ends.push(api.close)
  setApi(api.listener)

  // The calls need no user: the slow hash of the password is compared meanwhile.
  const [calls] = await Promise.all([makeFirstCalls(issuer, samples), restoreUser(store, samples)])
  // Whoever waits for the file, or for the last line, finds everything ready.
  if (writeEnv !== undefined) writeEnvironmentFile(writeEnv, issuer, samples)
  const refusal = reports.find(calls.refused.receipt)
  for (const line of introduce({ issuer, dataDir, samples, calls, refusal, isStaying: !once })) print(line)
  reports.startPrinting()
  if (!once) await ended()
  else if (calls.accepted.status !== 200 || calls.refused.status !== 403 || calls.takenBack.status !== 401) {
    throw new CommandError('the first calls did not end as they should')
  }
}

/** Binds both ports before there is anything behind them: with 0 the addresses are only known once they are bound. */
async function openPorts({ port, apiPort, issuer }: Settings, ends: End[]) {
  let server: AuthorizationServer | undefined
  const handle: AuthorizationServer['handle'] = (request, peer, target) =>
    server === undefined ? new Response(null, { status: 503 }) : server.handle(request, peer, target)
  const answerProgram: AuthorizationServer['answerProgram'] = (request, peer, target) =>
    server?.answerProgram(request, peer, target)
  const listening = await listen({ handle, answerProgram }, { port, hosts: loopback })
  ends.push(() => listening.close(drainLimitMs))
  let api: RequestListener = (_request, response) => response.writeHead(503).end()
  const apiListening = await bindAll(
    () => createServer((request, response) => api(request, response)),
    apiPort,
    loopback,
  )
  ends.push(() => apiListening.close(drainLimitMs))
  return {
    issuer: issuer ?? `http://localhost:${listening.port}`,
    apiOrigin: `http://localhost:${apiListening.port}`,
    setServer(started: AuthorizationServer) {
      server = started
    },
    setApi(listener: RequestListener) {
      api = listener
    },
  }
}

interface Reports {
  readonly add: (refusal: RefusalReport) => void
  readonly find: (receipt: string | undefined) => RefusalReport | undefined
  readonly startPrinting: () => void
}

/** Refusals of the sample API: those of the first calls are part of the introduction, later ones are printed as they happen. */
function createReports(): Reports {
  const early: RefusalReport[] = []
  let isPrinting = false
  return {
    add(refusal) {
      if (!isPrinting) {
        early.push(refusal)
        return
      }
      print(`${paint('yellow', `${refusal.method} ${refusal.path}`)}`)
      for (const line of formatExplanation(refusal)) print(`  ${line}`)
    },
    find: (receipt) => early.find((refusal) => refusal.receipt === receipt),
    startPrinting() {
      isPrinting = true
    },
  }
}

function checkIssuer(issuer: string): void {
  const problem =
    issuerProblem(issuer) ??
    (isLoopbackIssuer(issuer) ? undefined : 'arctos dev is for loopback only; use arctos serve')
  if (problem !== undefined)
    throw new ConfigurationError(`--issuer: ${JSON.stringify(issuer)} is not allowed; ${problem}`)
}

function readPort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new ConfigurationError(
    `--api-port: ${JSON.stringify(text)} is not allowed; it must be a whole number from 0 to 65535`,
  )
}
