import { askInTurn, type DeviceCode, discoverResource, type LoginTurn, oauthClient } from '@arctos/client'
import type { Command } from 'commander'
import { openBrowser } from '../sessions/browser.ts'
import type { ProfilePlace } from '../sessions/places.ts'
import { chosenProfile, type Profile, readProfile, writeProfile } from '../sessions/profiles.ts'
import { type Progress, startProgress } from '../sessions/progress.ts'
import { type SessionStatus, statusOf } from '../sessions/session-status.ts'
import { openSessionStore, openTurn } from '../sessions/stores.ts'
import { interruptible } from '../signals.ts'
import { CommandError, confirm, report } from '../terminal.ts'
import { gather, sessionCommand } from './options.ts'

interface LoginOptions {
  readonly name?: string
  readonly issuer?: string
  readonly clientId?: string
  readonly resource?: readonly string[]
  readonly scope?: string
  readonly redirectUri?: string
  readonly device?: boolean
  readonly browser: boolean
  readonly json?: boolean
}

export function registerLogin(program: Command): void {
  sessionCommand(program, 'login', 'log in through the browser, and keep the session')
    .option('--issuer <URL>', 'authorization server (ARCTOS_ISSUER); the API is asked for it when absent')
    .option('--client-id <ID>', 'public client that this program is there (ARCTOS_CLIENT_ID)')
    .option('--resource <URL>', 'API that the session is for (ARCTOS_RESOURCE); repeatable', gather)
    .option('--scope <WORDS>', 'what to ask for (ARCTOS_SCOPE); with offline_access the session renews itself')
    .option('--redirect-uri <URL>', 'as it is registered, if it is not http://127.0.0.1/callback')
    .option('--device', 'show a code to type on another device, where there is no browser')
    .option('--no-browser', 'only print the page to open')
    .option('--json', 'print JSON')
    .action(run)
}

async function run(options: LoginOptions): Promise<void> {
  const place = chosenProfile(options.name)
  const wanted = await readWanted(options, readProfile(place), place)
  await refuseToReplace(place, wanted)
  const progress = startProgress()
  try {
    await interruptible((signal) => logIn(place, wanted, options, { progress, signal }))
  } finally {
    progress.stop()
  }
  const status = await statusOf(place, wanted, Date.now() / 1_000)
  report(options.json, status, linesOf(status))
}

interface Waiting {
  readonly progress: Progress
  readonly signal: AbortSignal
}

async function logIn(place: ProfilePlace, wanted: Profile, options: LoginOptions, waiting: Waiting): Promise<void> {
  const { progress, signal } = waiting
  const store = await openSessionStore(place)
  const client = oauthClient(wanted)
  const { resources, scope } = wanted
  const asked = { resource: resources, ...(scope !== undefined && { scope }), store, signal }
  const { redirectUri } = options
  const turn: LoginTurn = {
    turn: openTurn(place),
    signal,
    onWait: () => progress.say('Another process is logging in; waiting for it'),
  }
  const outcome = await askInTurn({
    ...turn,
    async ask() {
      if (options.device) await client.deviceLogin({ ...asked, onCode: (code) => showCode(code, progress) })
      else {
        const show = (url: string) => showPage(url, options.browser, progress)
        await client.login({ ...asked, openBrowser: show, ...(redirectUri !== undefined && { redirectUri }) })
      }
      writeProfile(place, wanted)
    },
  })
  const kept = readProfile(place)
  if (outcome === 'waited' && kept !== undefined && !isSame(kept, wanted))
    throw new CommandError(`another process logged in as ${place.name} at ${kept.issuer}; give another --name`)
}

function showPage(url: string, mayOpen: boolean, progress: Progress): void {
  process.stderr.write(`Open this page in a browser to log in:\n  ${url}\n`)
  if (mayOpen) openBrowser(url)
  progress.say('Waiting for the browser; Ctrl-C gives up')
}

function showCode({ userCode, verificationUri, verificationUriComplete }: DeviceCode, progress: Progress): void {
  process.stderr.write(`Open ${verificationUri} on any device, and type this code:\n  ${userCode}\n`)
  if (verificationUriComplete !== undefined) {
    process.stderr.write(`or open this page, and compare the code:\n  ${verificationUriComplete}\n`)
  }
  progress.say('Waiting for the user; Ctrl-C gives up')
}

/** A flag wins over the environment, the environment over what was said at the last login of that name. */
async function readWanted(options: LoginOptions, known: Profile | undefined, place: ProfilePlace): Promise<Profile> {
  const [first, ...others] =
    options.resource ?? fromEnvironment('ARCTOS_RESOURCE')?.split(' ') ?? known?.resources ?? []
  const scope = options.scope ?? fromEnvironment('ARCTOS_SCOPE') ?? known?.scope
  const clientId = options.clientId ?? fromEnvironment('ARCTOS_CLIENT_ID') ?? known?.clientId
  const issuer = options.issuer ?? fromEnvironment('ARCTOS_ISSUER') ?? known?.issuer
  const { name } = place
  if (first === undefined) throw missing('--resource', 'ARCTOS_RESOURCE', name)
  if (clientId === undefined) throw missing('--client-id', 'ARCTOS_CLIENT_ID', name)
  if (issuer !== undefined) return { issuer, clientId, resources: [first, ...others], scope }
  const found = await discoverResource(first, { allowIssuer: allowNamed })
  return { issuer: found.issuer, clientId, resources: [found.resource, ...others], scope: scope ?? found.scope }
}

/**
 * An API can name any server, also one that is after the password. So a person decides: at the terminal, or by naming it on the
 * command line (RFC 9728 §7.6).
 */
async function allowNamed(issuer: string, resource: string): Promise<boolean> {
  if (process.stdin.isTTY && (await confirm(`${resource} wants you to log in at ${issuer}. Do you trust it?`)))
    return true
  throw new CommandError(`${resource} wants you to log in at ${issuer}; if you trust it, add: --issuer ${issuer}`)
}

function fromEnvironment(variable: string): string | undefined {
  return process.env[variable] || undefined
}

function missing(flag: string, variable: string, name: string): CommandError {
  return new CommandError(`${flag} is missing (or ${variable}); later logins as ${name} remember it`)
}

/** A session of somebody else is not silently given up: nobody could take it back at its server any more. */
async function refuseToReplace(place: ProfilePlace, wanted: Profile): Promise<void> {
  const known = readProfile(place)
  if (known === undefined || isSame(known, wanted)) return
  const { state } = await statusOf(place, known, Date.now() / 1_000)
  if (state === 'active')
    throw new CommandError(
      `${place.name} is logged in at ${known.issuer} as ${known.clientId}; give another --name, or log out first`,
    )
}

function isSame(left: Profile, right: Profile): boolean {
  return left.issuer === right.issuer && left.clientId === right.clientId
}

function linesOf({ name, issuer, resources, scope, remark, store }: SessionStatus): readonly string[] {
  return [
    `logged in at ${issuer} as ${name}`,
    `resource  ${resources.join(' ')}`,
    `scope     ${scope.join(' ')}`,
    `session   ${remark}`,
    ...(store === undefined ? [] : [`kept in   ${store}`]),
    ...(remark.includes('cannot be renewed') ? ['Add offline_access to --scope to stay logged in.'] : []),
  ]
}
