import type { AccessToken, Actor } from '@arctos/core'
import type { PolicyCheck } from './demand.ts'
import { checkMembers, isPlain, policyMistake, readWords } from './mistake.ts'

/**
 * Who may act for the subject of a token. Only who acts now is asked for a name; of those who acted before only the number counts
 * (RFC 8693 §4.1).
 */
export type ActorPolicy = 'none' | ActorRules

/** Without `allowed` anybody may act whom the issuer let act; without `required` the subject may also come alone. */
export interface ActorRules {
  /** `true` refuses a token that its subject uses without any actor. */
  readonly required?: boolean
  /** Who may act: a text is the `sub` of the actor. */
  readonly allowed?: readonly (string | AllowedActor)[]
  /** How many may stand between the subject and this resource: 1 to 8. */
  readonly maxDepth?: number
}

/** An actor by name; every member that is there must fit. It needs a subject or a client id. */
export interface AllowedActor {
  readonly subject?: string
  readonly clientId?: string
  /** By default the issuer of the token. */
  readonly issuer?: string
  /** The subjects that it may act for; by default all. */
  readonly for?: readonly string[]
}

const depthLimit = 8

/** What a route asks of `act`. RFC 8693 §4.1 */
export function readActorPolicy(policy: unknown): readonly PolicyCheck[] {
  if (policy === 'none') return [checkAbsence]
  const allowed = 'is none, or an object with required, allowed, maxDepth'
  if (!isPlain(policy) || Object.keys(policy).length === 0) throw policyMistake('actor', policy, allowed)
  checkMembers(policy, ['required', 'allowed', 'maxDepth'], 'actor')
  const { required, allowed: names, maxDepth } = policy
  const checks: PolicyCheck[] = []
  if (required !== undefined && typeof required !== 'boolean') {
    throw policyMistake('actor.required', required, 'are true and false')
  }
  if (required === true) checks.push(checkPresence)
  if (names !== undefined) checks.push(readAllowed(names))
  if (maxDepth !== undefined) checks.push(readDepth(maxDepth))
  return checks
}

const checkAbsence: PolicyCheck = ({ actors }, judge) => {
  judge('actor', actors.length === 0, 'token.actor', 'none', describe(actors[0]))
}

const checkPresence: PolicyCheck = ({ actors }, judge) => {
  judge('actor', actors.length > 0, 'token.actor', 'an actor', describe(actors[0]))
}

function readAllowed(policy: unknown): PolicyCheck {
  const allowed = 'are texts, and objects with subject or clientId, issuer, for'
  if (!Array.isArray(policy) || policy.length === 0) throw policyMistake('actor.allowed', policy, allowed)
  const rules = policy.map((rule: unknown) => readRule(rule, allowed))
  const expected = rules
    .map(({ subject, clientId }) => subject ?? clientId)
    .join(' ')
    .slice(0, 120)
  return (access, judge) => {
    const [actor] = access.actors
    const holds = actor === undefined || rules.some((rule) => fits(rule, actor, access))
    judge('allowed actor', holds, 'token.actor', expected, describe(actor))
  }
}

function readRule(rule: unknown, allowed: string): AllowedActor {
  if (typeof rule === 'string' && rule !== '') return { subject: rule }
  if (!isPlain(rule)) throw policyMistake('actor.allowed', rule, allowed)
  checkMembers(rule, ['subject', 'clientId', 'issuer', 'for'], 'actor.allowed')
  const { subject, clientId, issuer, for: subjects } = rule
  for (const name of [subject, clientId, issuer]) {
    if (name !== undefined && (typeof name !== 'string' || name === '')) {
      throw policyMistake('actor.allowed', name, allowed)
    }
  }
  if (subject === undefined && clientId === undefined) throw policyMistake('actor.allowed', rule, allowed)
  if (subjects === undefined) return rule
  return { ...rule, for: readWords(subjects, 'actor.allowed.for', 'are subjects') }
}

/** Names mean something only together with who gives them: two issuers may each know an `agent-1` (RFC 8693 §4.1). */
function fits(rule: AllowedActor, actor: Actor, { issuer, subject }: AccessToken): boolean {
  return (
    (rule.subject === undefined || rule.subject === actor.subject) &&
    (rule.clientId === undefined || rule.clientId === actor.clientId) &&
    (rule.issuer ?? issuer) === (actor.issuer ?? issuer) &&
    (rule.for === undefined || rule.for.includes(subject))
  )
}

function readDepth(policy: unknown): PolicyCheck {
  if (typeof policy !== 'number' || !Number.isInteger(policy) || policy < 1 || policy > depthLimit) {
    throw policyMistake('actor.maxDepth', policy, `are 1 to ${depthLimit}; for no actor at all write actor: 'none'`)
  }
  return ({ actors }, judge) => {
    judge('actor depth', actors.length <= policy, 'token.actor', `at most ${policy}`, actors.length)
  }
}

function describe(actor: Actor | undefined): string {
  return (actor?.subject ?? actor?.clientId ?? 'none').slice(0, 120)
}
