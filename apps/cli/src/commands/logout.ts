import { ClientError, describeSession, endSessionHere, oauthClient } from '@arctos/client'
import type { Command } from 'commander'
import { chosenProfile } from '../sessions/profiles.ts'
import { requireProfile } from '../sessions/session.ts'
import { hasSessionStore, openSessionStore } from '../sessions/stores.ts'
import { CommandError, report } from '../terminal.ts'
import { sessionCommand } from './options.ts'

interface LogoutOptions {
  readonly name?: string
  readonly local?: boolean
  readonly json?: boolean
}

export function registerLogout(program: Command): void {
  sessionCommand(program, 'logout', 'take the session back at the server, and end it here')
    .option('--local', 'end it on this machine only, for when the server cannot be told')
    .option('--json', 'print JSON')
    .action(async (options: LogoutOptions) => {
      const place = chosenProfile(options.name)
      const profile = requireProfile(place)
      const outcome = hasSessionStore(place) ? await end(options.local === true) : 'over'
      report(options.json, { name: place.name, issuer: profile.issuer, outcome }, [
        `${place.name}: ${sentences[outcome]}`,
      ])

      async function end(isLocal: boolean): Promise<keyof typeof sentences> {
        const store = await openSessionStore(place)
        if (isLocal) return (await endSessionHere(store, profile)) ? 'ended here' : 'over'
        const facts = await describeSession(store, profile)
        const session = await oauthClient(profile).resume({ store })
        if (session === undefined || facts === undefined || facts.ended !== undefined) return 'over'
        try {
          await session.revoke()
          return 'revoked'
        } catch (error) {
          throw error instanceof ClientError ? notTold(error) : error
        }
      }
    })
}

const sentences = {
  revoked: 'logged out, and its tokens are taken back',
  'ended here': 'logged out on this machine; the server honours its tokens until they end',
  over: 'there was no session to end',
} as const

/** Until the server knows, the tokens live: the session goes on rather than being lost from sight. */
function notTold(error: ClientError): CommandError {
  return new CommandError(
    `${error.message}\n  The session goes on. Try again, or end it on this machine only: arctos logout --local`,
  )
}
