import { StoreUnavailable, WrongKeyEncryptionKey } from '@arctos/authorization-server'
import { ClientError, OAuthError, Unavailable } from '@arctos/client'
import { Command, CommanderError } from 'commander'
import { registerApiKey } from './commands/api-key.ts'
import { registerAudit } from './commands/audit.ts'
import { registerClient } from './commands/client.ts'
import { registerDev } from './commands/dev.ts'
import { registerExplain } from './commands/explain.ts'
import { registerFetch } from './commands/fetch.ts'
import { registerKey } from './commands/key.ts'
import { registerLeak } from './commands/leak.ts'
import { registerLogin } from './commands/login.ts'
import { registerLogout } from './commands/logout.ts'
import { registerMigrate } from './commands/migrate.ts'
import { registerRecover } from './commands/recover.ts'
import { registerResource } from './commands/resource.ts'
import { registerRevoke } from './commands/revoke.ts'
import { registerServe } from './commands/serve.ts'
import { registerStatus } from './commands/status.ts'
import { registerToken } from './commands/token.ts'
import { registerUser } from './commands/user.ts'
import { registerWhoami } from './commands/whoami.ts'
import { ConfigurationError } from './configuration.ts'
import { Interrupted } from './signals.ts'
import { CommandError, refuseCredentials } from './terminal.ts'

/** Runs the command that the arguments name. Messages for people go to stderr; only faults show a stack. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = new Command('arctos')
    .description('Issues, guards, carries, revokes and explains OAuth 2.0 bearer tokens.')
    .version('0.1.0')
    .showHelpAfterError()
    // Or a command that has options and subcommands (token) takes the options of these for its own.
    .enablePositionalOptions()
    .exitOverride()
  const commands = [
    registerDev,
    registerServe,
    registerClient,
    registerResource,
    registerUser,
    registerApiKey,
    registerKey,
    registerRevoke,
    registerLogin,
    registerLogout,
    registerWhoami,
    registerStatus,
    registerToken,
    registerFetch,
    registerExplain,
    registerLeak,
    registerAudit,
    registerMigrate,
    registerRecover,
  ]
  for (const register of commands) register(program)
  // Whoever reads our output may stop early, as head does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  try {
    refuseCredentials(argv.slice(2))
    await program.parseAsync([...argv])
  } catch (error) {
    process.exitCode = 1
    if (error instanceof Interrupted) {
      // What shells report for a program that Ctrl-C ended.
      process.exitCode = 130
      return
    }
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode
      return
    }
    process.stderr.write(`arctos: ${messageOf(error)}\n`)
  }
}

function messageOf(error: unknown): string {
  if (error instanceof CommandError || error instanceof ConfigurationError) return error.message
  if (error instanceof ClientError) return describeClientError(error)
  if (error instanceof WrongKeyEncryptionKey) {
    return `${error.message}: the database belongs to another key (of arctos dev?). Give its --key-file, or another --data-dir or --database`
  }
  const database = databaseProblem(error)
  if (database !== undefined) return `the database cannot be used: ${database}; see --database and --data-dir`
  return isSystemError(error) ? describeSystemError(error) : describeFault(error)
}

// Of PostgreSQL: connection, authorization, no such database, privileges, too many connections, starting or stopping.
const operatorStates = /^(?:08...|28...|3D000|42501|53300|57P0.)$/
// Of SQLite: readonly, cannot open, not a database.
const operatorCodes = [8, 14, 26]

/** What is wrong with the place of the database, or whoever opens it; `undefined` for every other error. */
function databaseProblem(error: unknown): string | undefined {
  if (error instanceof StoreUnavailable) return databaseProblem(error.cause) ?? error.message
  if (!(error instanceof Error)) return undefined
  if (error instanceof AggregateError && 'code' in error) return databaseProblem(error.errors[0])
  const { code, errcode, syscall } = error as NodeJS.ErrnoException & { readonly errcode?: number }
  const isPlace =
    syscall === 'connect' ||
    syscall === 'getaddrinfo' ||
    operatorStates.test(code ?? '') ||
    (code === 'ERR_SQLITE_ERROR' && operatorCodes.includes((errcode ?? 0) & 0xff))
  return isPlace ? error.message : undefined
}

/** What the client says, and the receipt with which the operator of the server finds the cause. */
function describeClientError(error: ClientError): string {
  const told = error.cause instanceof OAuthError ? error.cause : error
  const receipt = told instanceof OAuthError || told instanceof Unavailable ? told.receipt : undefined
  const help = receipt === undefined ? '' : `\n  its operator learns the cause with: arctos explain ${receipt}`
  return `${error.message}${help}`
}

/** What the system refused: a port in use, a file that is not there. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly port?: number } {
  return error instanceof Error && 'syscall' in error
}

function describeSystemError(error: NodeJS.ErrnoException & { readonly port?: number }): string {
  if (error.code === 'EADDRINUSE') return `port ${error.port} is in use (by another arctos?); port 0 picks a free one`
  if (error.path !== undefined)
    return `${error.path} cannot be used (${error.code}); see --data-dir and the other paths`
  return error.message
}

function describeFault(error: unknown): string {
  if (!(error instanceof Error)) return 'a fault that is no error'
  const cause = error.cause instanceof Error ? `\n  because: ${error.cause.message}` : ''
  return `${error.stack ?? error.message}${cause}`
}
