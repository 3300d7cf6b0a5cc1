import { opaqueAccessKey, type Store } from '@arctos/authorization-server'
import { decodeUnverifiedJws, parseClaims, Refusal } from '@arctos/core'
import type { Command } from 'commander'
import { type RawOptions, withStore } from '../open.ts'
import { chosenProfile } from '../sessions/profiles.ts'
import { withSession } from '../sessions/session.ts'
import { CommandError, iso, readSecret, report } from '../terminal.ts'
import { sessionCommand, storeCommand } from './options.ts'

interface TokenOptions {
  readonly name?: string
  readonly resource?: string
  readonly json?: boolean
}

export function registerToken(program: Command): void {
  const token = sessionCommand(program, 'token', 'print an access token of your session, for curl; or inspect one')
    .option('--resource <URL>', 'API that it is for; the first one of the login when absent')
    .enablePositionalOptions()
    .option('--json', 'print JSON')
    .action(async ({ name, resource, json }: TokenOptions) => {
      const found = await withSession(chosenProfile(name), (session, { resources }) =>
        session.accessToken({ resource: resource ?? resources[0] }),
      )
      report(json, { access_token: found.reveal(), token_type: 'Bearer' }, [found.reveal()])
    })
  storeCommand(
    token,
    'inspect',
    'show what an access token says and whether it is live; read from stdin, a prompt or @FILE',
  )
    .argument('[token]', '@FILE')
    .action(async (argument: string | undefined, options: RawOptions) => {
      const text = (await readSecret('token', argument)).reveal()
      const found = await withStore(options, (store) => inspect(store, text))
      report(
        Boolean(options['json']),
        found,
        Object.entries(found).map(([name, value]) => `${name.padEnd(10)}${show(name, value)}`),
      )
    })
}

/** What a token says, without the token. A JWT is not verified here: `arctos explain` runs a guard's checks. */
async function inspect(store: Store, text: string): Promise<Readonly<Record<string, unknown>>> {
  const key = opaqueAccessKey(text)
  if (key !== undefined) {
    const live = await store.introspectOpaque(key)
    return live === undefined
      ? { kind: 'opaque access token', live: false }
      : { kind: 'opaque access token', live: true, ...live }
  }
  try {
    const jws = decodeUnverifiedJws(text)
    return { kind: 'JWT, not verified here', ...jws.header.members, ...parseClaims(jws.payload) }
  } catch (error) {
    if (error instanceof Refusal) throw new CommandError(`this is no token: ${String(error.facts['check'])}`)
    throw error
  }
}

function show(name: string, value: unknown): string {
  if (['iat', 'exp', 'nbf', 'auth_time', 'issuedAt', 'expiresAt'].includes(name) && typeof value === 'number')
    return `${value} (${iso(value)})`
  return (typeof value === 'string' ? value : JSON.stringify(value)).replace(/[^\x20-\x7e]/g, '?')
}
