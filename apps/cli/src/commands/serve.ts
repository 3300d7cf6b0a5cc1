import { readFileSync } from 'node:fs'
import {
  createAuthorizationServer,
  createJournal,
  isLoopbackIssuer,
  type ListenOptions,
  listen,
  openStore,
  reporterProblem,
  type Store,
  webhookProblem,
} from '@arctos/authorization-server'
import { resourceKey } from '@arctos/core'
import type { Command } from 'commander'
import { type Configuration, ConfigurationError } from '../configuration.ts'
import { openKey } from '../key-file.ts'
import { configurationOf, placeOf, type RawOptions } from '../open.ts'
import { ended } from '../signals.ts'
import { withConfiguration } from './options.ts'

/** How long requests in flight may take to finish after SIGTERM. */
const drainLimitMs = 8_000
/** How long all of the end may take; an orchestrator kills after 10 s. */
const exitLimitMs = 9_500

export function registerServe(program: Command): void {
  const serve = program.command('serve').description('run the authorization server')
  withConfiguration(serve, [
    'port',
    'hosts',
    'dataDir',
    'issuer',
    'database',
    'databaseConnections',
    'keyFile',
    'environment',
    'signingAlgorithm',
    'defaultResource',
    'tlsCert',
    'tlsKey',
    'trustedProxies',
    'durableStorage',
    'retryWindowSeconds',
    'endReplayStreaks',
    'refreshIdleSeconds',
    'refreshAbsoluteSeconds',
    'experimentalTokenStatusList',
    'experimentalStatusListTtlSeconds',
    'leakWebhook',
  ]).action(async (options: RawOptions) => {
    await run(configurationOf(options))
  })
}

async function run(configuration: Configuration): Promise<void> {
  const issuer = checkIssuer(configuration)
  const kek = openKey(configuration)
  const tls = readTls(configuration)
  const { database } = placeOf(configuration)
  const store = await openStore({
    database,
    connections: configuration.databaseConnections,
    environment: configuration.environment,
  })
  let late: NodeJS.Timeout | undefined
  try {
    await prepareSchema(store, database)
    await checkDefaultResource(store, configuration)
    const server = await createAuthorizationServer({
      issuer,
      store,
      kek,
      signingAlgorithm: configuration.signingAlgorithm ?? 'ES256',
      lifetimes: lifetimesOf(configuration),
      defaultResource: configuration.defaultResource,
      durableStorage: configuration.durableStorage ?? false,
      endReplayStreaks: configuration.endReplayStreaks ?? false,
      experimental: {
        tokenStatusList: configuration.experimentalTokenStatusList,
        statusListTtlSeconds: configuration.experimentalStatusListTtlSeconds,
      },
      ...leakOptions(configuration),
      journal: createJournal((lines) => void process.stdout.write(lines), Date.now),
    })
    const where = listenOptions(configuration, issuer, tls)
    const listening = await listen(server, where)
    const stopUpkeep = server.startUpkeep()
    const { warnings } = await server.context.readiness()
    for (const warning of warnings) process.stderr.write(`arctos: warning: ${warning}\n`)
    process.stderr.write(`arctos: ${issuer} on ${where.hosts.join(', ')} port ${listening.port}\n`)
    await ended()
    late = exitLate()
    await Promise.all([listening.close(drainLimitMs), stopUpkeep()])
    // What the last requests used.
    await server.context.secretUses.flush()
  } finally {
    await store.close()
    late?.unref()
  }
}

/** Ends the process when something hangs; a process that has nothing left to do does not wait for it. */
function exitLate(): NodeJS.Timeout {
  const timer = setTimeout(() => {
    process.stderr.write(`arctos: not everything ended within ${exitLimitMs / 1_000} s; what was left is cut off\n`)
    process.exit(1)
  }, exitLimitMs)
  return timer
}

function checkIssuer({ issuer, port = 4000 }: Configuration): string {
  if (issuer === undefined && port === 0) throw new ConfigurationError('--port 0 needs an --issuer')
  return issuer ?? `http://localhost:${port}`
}

function readTls({ tlsCert, tlsKey }: Configuration): ListenOptions['tls'] {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined)
    throw new ConfigurationError('--tls-cert and --tls-key go together')
  return { cert: readFileSync(tlsCert, 'utf8'), key: readFileSync(tlsKey, 'utf8') }
}

/** SQLite belongs to this server, so it is migrated; PostgreSQL is shared, so its operator decides when. */
async function prepareSchema(store: Store, database: string): Promise<void> {
  if (!/^postgres(ql)?:/.test(database)) {
    await store.migrate()
    return
  }
  const pending = await store.pendingMigrations()
  if (pending.length > 0) {
    throw new ConfigurationError(
      `the database is behind its schema (${pending.join(', ')}); run: arctos migrate --database URL`,
    )
  }
}

/** Else every request that names no resource would be refused, and nobody would know why. */
async function checkDefaultResource(store: Store, { defaultResource }: Configuration): Promise<void> {
  if (defaultResource === undefined) return
  const [found] = await store.readResources([resourceKey(defaultResource)])
  if (found !== undefined) return
  throw new ConfigurationError(
    `defaultResource: ${JSON.stringify(defaultResource)} is not allowed; it must be a registered resource identifier (arctos resource list)`,
  )
}

function lifetimesOf(configuration: Configuration) {
  const { retryWindowSeconds, refreshIdleSeconds, refreshAbsoluteSeconds } = configuration
  return {
    ...(retryWindowSeconds === undefined ? {} : { retryWindowSeconds }),
    ...(refreshIdleSeconds === undefined ? {} : { refreshIdleSeconds }),
    ...(refreshAbsoluteSeconds === undefined ? {} : { refreshAbsoluteSeconds }),
  }
}

/** Who may report leaks, and who is told of them. */
function leakOptions({ leakReporters, leakWebhook, leakWebhookSecret }: Configuration) {
  const problem = leakReporters && reporterProblem(leakReporters)
  if (problem !== undefined) throw new ConfigurationError(`leakReporters: ${problem}`)
  if (leakWebhook === undefined) return { leakReporters }
  if (leakWebhookSecret === undefined)
    throw new ConfigurationError('--leak-webhook needs ARCTOS_LEAK_WEBHOOK_SECRET, or leakWebhookSecret in the file')
  const webhook = { url: leakWebhook, secret: leakWebhookSecret }
  const webhookIs = webhookProblem(webhook)
  if (webhookIs !== undefined) throw new ConfigurationError(`leakWebhook: ${webhookIs}`)
  return { leakReporters, leakWebhook: webhook }
}

/** Without TLS and without a proxy that is named, only this machine may connect: bearer tokens do not go in clear. */
function listenOptions(configuration: Configuration, issuer: string, tls: ListenOptions['tls']): ListenOptions {
  const { port = 4000, trustedProxies, hosts } = configuration
  const loopback = ['127.0.0.1', '::1']
  const isOpen = tls !== undefined || (trustedProxies?.length ?? 0) > 0
  const chosen = hosts ?? (isOpen ? ['::'] : loopback)
  const exposed = chosen.find((host) => !loopback.includes(host) && host !== 'localhost')
  if (!isOpen && exposed !== undefined) {
    throw new ConfigurationError(
      `--hosts: ${exposed} is reachable from outside; it needs --tls-cert and --tls-key, or --trusted-proxies`,
    )
  }
  if (!isOpen && !isLoopbackIssuer(issuer)) {
    throw new ConfigurationError(
      `--issuer: ${issuer} needs --tls-cert and --tls-key, or --trusted-proxies for the proxy in front`,
    )
  }
  return { port, hosts: chosen, tls, trustedProxies, onStranger: warnOnce() }
}

/** A proxy that was forgotten in the list shows itself once; whoever knocks must not fill the log. */
function warnOnce(): (address: string) => void {
  let isTold = false
  return (address) => {
    if (isTold) return
    isTold = true
    process.stderr.write(
      `arctos: warning: closed a connection from ${address}: without TLS only loopback and --trusted-proxies may connect\n`,
    )
  }
}
