import { type Decision, type ResourceServerOptions, resourceServer } from '../src/index.ts'
import { type Issuer, resource } from './issuer.ts'

const scopes = { read: 'Read notes', write: 'Change notes' }

export type Guard = ReturnType<typeof guardOf>

/** A guard that trusts the issuer and keeps its journal to itself. */
export function guardOf(issuer: Issuer, options: Partial<ResourceServerOptions<typeof scopes>> = {}) {
  return resourceServer({ resource, authorizationServers: [issuer.issuer], scopes, journal: () => {}, ...options })
}

/** Presents a token the usual way. */
export function present(guard: Guard, token: string, scope: 'read' | 'write' = 'read'): Promise<Decision> {
  return guard.authorize({ method: 'GET', url: '/notes', headers: { authorization: `Bearer ${token}` } }, { scope })
}

/** `good`, or the reason of the refusal. */
export async function verdict(guard: Guard, token: string): Promise<string> {
  const decision = await present(guard, token)
  return decision.ok ? 'good' : decision.reason
}

/** Several verdicts, counted. */
export async function verdicts(guard: Guard, tokens: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const each of await Promise.all(tokens.map((token) => verdict(guard, token)))) {
    counts[each] = (counts[each] ?? 0) + 1
  }
  return counts
}
