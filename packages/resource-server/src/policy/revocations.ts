import { defaultRule, type FeedDemand, readTimes, timesNames } from '../feed/rule.ts'
import type { PolicyContext } from './demand.ts'
import { checkMembers, isPlain, policyMistake } from './mistake.ts'

const member = 'revocations'

/** Reads what a route says about the revocation feed. Throws a TypeError for what is no policy, or where there is no feed. */
export function readRevocationsPolicy(value: unknown, { hasFeed, canAsk }: PolicyContext): FeedDemand {
  if (!hasFeed) throw policyMistake(member, value, 'only where the guard has revocations')
  if (value === 'strict') return { whenStale: 'refuse' }
  if (!isPlain(value)) throw policyMistake(member, value, `are strict and an object with ${timesNames.join(', ')}`)
  checkMembers(value, timesNames, member)
  return readTimes(value, defaultRule, canAsk, (name, received, allowed) => {
    throw policyMistake(`${member}.${name}`, received, `is ${allowed}`)
  })
}
