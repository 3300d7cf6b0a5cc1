import { formPost, openConnection } from '../token/connection.ts'
import { askTokens, pause, redeem } from './calls.ts'
import { codesOf, type Running } from './processes.ts'
import { setting } from './setting.ts'

export interface Races {
  readonly races: number
  /** Races in which the refresh was answered with tokens. */
  readonly refreshed: number
  /** Tokens that were alive after both answers had come. */
  readonly alive: number
}

/** How far apart the two requests are sent, in milliseconds: the revocation first, at once, or the refresh first. */
const offsets = [-3, -2, -1, -0.5, 0, 0, 0.5, 1, 2, 3]

/**
 * A refresh and a revocation of the same family, at the same time. Whatever the order, nothing of the family is alive once the
 * revocation is acknowledged.
 */
export async function raceRefreshAgainstRevoke(issuer: Running, count: number): Promise<Races> {
  const [one, other] = [await openConnection(issuer.port), await openConnection(issuer.port)]
  const codes = await codesOf(issuer, count)
  let [refreshed, alive] = [0, 0]
  for (const [turn, code] of codes.entries()) {
    const first = await redeem(one, code)
    const offset = offsets[turn % offsets.length] ?? 0
    const [second] = await Promise.all([
      pause(Math.max(0, offset)).then(() =>
        askTokens(one, `grant_type=refresh_token&refresh_token=${first.refresh_token}`),
      ),
      pause(Math.max(0, -offset)).then(() =>
        other.send(formPost('/revoke', setting.client, `token=${first.refresh_token}`)),
      ),
    ])
    if (second !== undefined) refreshed += 1
    for (const token of [first.access_token, second?.access_token]) {
      if (token === undefined) continue
      const { body } = await one.send(formPost('/introspect', setting.operator, `token=${token}`))
      if ((JSON.parse(body) as { active: boolean }).active) alive += 1
    }
    const again = await askTokens(
      one,
      `grant_type=refresh_token&refresh_token=${second?.refresh_token ?? first.refresh_token}`,
    )
    if (again !== undefined) alive += 1
  }
  one.close()
  other.close()
  return { races: count, refreshed, alive }
}
