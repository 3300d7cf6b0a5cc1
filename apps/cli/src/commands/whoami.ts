import { Unavailable } from '@arctos/client'
import { decodeUnverifiedJws, parseClaims, Refusal, type Secret } from '@arctos/core'
import type { Command } from 'commander'
import { chosenProfile } from '../sessions/profiles.ts'
import { withSession } from '../sessions/session.ts'
import { readStatus } from '../sessions/session-status.ts'
import { CommandError, iso, report } from '../terminal.ts'
import { sessionCommand } from './options.ts'

interface WhoamiOptions {
  readonly name?: string
  readonly resource?: string
  readonly json?: boolean
}

/** What a token says of its user, as far as it can be read here. */
interface Said {
  readonly subject?: string
  readonly remark?: string
}

export function registerWhoami(program: Command): void {
  sessionCommand(program, 'whoami', 'say who is logged in, at which server, and for what')
    .option('--resource <URL>', 'API to ask about; the first one of the login when absent')
    .option('--json', 'print JSON')
    .action(async (options: WhoamiOptions) => {
      const place = chosenProfile(options.name)
      const said = await withSession(place, async (session, { resources }): Promise<Said> => {
        try {
          return readSubject(await session.accessToken({ resource: options.resource ?? resources[0] }))
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error
          return { remark: 'not known: the server cannot be reached to renew the token' }
        }
      })
      const status = await readStatus(place)
      if (status === undefined) throw new CommandError(`nobody is logged in as ${place.name}`)
      const { issuer, clientId, resources, scope, expiresAt, remark } = status
      const found = { name: place.name, subject: said.subject, issuer, clientId, resources, scope, expiresAt }
      report(options.json, found, [
        `subject   ${said.subject ?? said.remark ?? 'not known'}`,
        `client    ${clientId}`,
        `issuer    ${issuer}`,
        `resource  ${resources.join(' ')}`,
        `scope     ${scope.join(' ')}`,
        `token     ${expiresAt === undefined ? 'it is not known how long it lives' : `ends ${iso(Math.floor(expiresAt))}`}`,
        `session   ${remark}`,
      ])
    })
}

/**
 * The subject of a JWT. It came from the server itself, over a connection that named it, so nothing is decided by reading it
 * here; an opaque token says nothing to anybody but its resource server (RFC 9068 §6).
 */
function readSubject(token: Secret): Said {
  try {
    const { sub } = parseClaims(decodeUnverifiedJws(token.reveal()).payload)
    return typeof sub === 'string' ? { subject: sub.replace(/[^\x20-\x7e]/g, '?') } : {}
  } catch (error) {
    if (error instanceof Refusal) return { remark: 'not told: the token is opaque' }
    throw error
  }
}
