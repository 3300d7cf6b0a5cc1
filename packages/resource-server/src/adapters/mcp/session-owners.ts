import { sha256Base64url } from '@arctos/core'
import { type GuardRequest, headerValues } from '../../request/guard-request.ts'
import type { Access } from '../../verification/token-check.ts'

/** How many sessions are remembered, in all and of one caller; the oldest make room. */
const sessionLimit = 10_000
const callerLimit = 100

/** Whose sessions are whose, for servers that keep some between requests. */
export interface SessionOwners {
  /** Whether the caller may use the session that a request names. Its first user is its owner. */
  mayUse(request: GuardRequest, access: Access): boolean
}

/**
 * A session id is no credential: whoever finds one in a log must not take the session over with a token of their own. The owner is
 * the first to name it, right after the server gave it out. Whoever names many makes room among their own, not among those of
 * others. MCP 2025-11-25, Security Best Practices, Session Hijacking
 */
export function createSessionOwners(): SessionOwners {
  const owners = new Map<string, string>()
  const sessionsOf = new Map<string, Set<string>>()

  const forget = (session: string | undefined): void => {
    if (session === undefined) return
    const owner = owners.get(session) ?? ''
    const sessions = sessionsOf.get(owner)
    owners.delete(session)
    sessions?.delete(session)
    if (sessions?.size === 0) sessionsOf.delete(owner)
  }

  return {
    mayUse(request, { issuer, subject, clientId }) {
      const [id, ...others] = headerValues(request.headers, 'mcp-session-id')
      if (id === undefined) return true
      if (others.length > 0) return false
      const session = sha256Base64url(id)
      const caller = JSON.stringify([issuer, subject, clientId])
      const owner = owners.get(session)
      if (owner !== undefined) return owner === caller
      const sessions = sessionsOf.get(caller) ?? new Set()
      if (sessions.size >= callerLimit) forget(sessions.values().next().value)
      else if (owners.size >= sessionLimit) forget(owners.keys().next().value)
      owners.set(session, caller)
      sessionsOf.set(caller, sessions.add(session))
      return true
    },
  }
}
