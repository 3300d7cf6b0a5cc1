import type { Answer } from '../../answer.ts'
import type { Policy } from '../../policy/policy.ts'
import type { GuardRequest } from '../../request/guard-request.ts'
import type { ResourceServer } from '../../resource-server.ts'
import type { Access } from '../../verification/token-check.ts'
import type { JsonBody } from './json-body.ts'
import { batchLimit, type McpSubject, readBody, subjectsOfHeaders } from './message.ts'
import { disagreement, type MirroredHeaders, readMirroredHeaders } from './mirrored-headers.ts'
import type { McpPolicies, McpRule } from './policies.ts'
import { protocolError } from './protocol-error.ts'
import { createSessionOwners } from './session-owners.ts'

/** Whether a request may reach the server, and with what. */
export type Admission =
  | {
      readonly ok: true
      readonly access: Access
      /** The rules that let its calls through. */
      readonly rules: ReadonlySet<McpRule>
      /** The parsed body; `undefined` for a request that has none. */
      readonly body: unknown
    }
  | { readonly ok: false; readonly response: Answer }

export type Admit = (request: GuardRequest, readJson: () => Promise<JsonBody>) => Promise<Admission>

/**
 * Decides about requests to an MCP endpoint: first the token, by the headers alone, so that nobody without one has us read a body;
 * then what the body asks for. A body is judged as a whole: one call that may not be made refuses all that came with it.
 */
export function createAdmission(api: ResourceServer, endpoint: Policy, policies: McpPolicies): Admit {
  const enter = api.guard(endpoint)
  const sessions = createSessionOwners()

  return async (request, readJson) => {
    const headers = readMirroredHeaders(request)
    const announced = headers === undefined ? undefined : announcedRule(headers, policies)
    const early = await announced?.decide(request, {})
    const decision = typeof early === 'object' ? early : await enter(request)
    if (!decision.ok) return decision
    const { access } = decision
    if (!sessions.mayUse(request, access)) return { ok: false, response: protocolError('session') }
    if (headers === undefined) return { ok: false, response: protocolError('headerMismatch', null, 'malformed header') }
    if (request.method !== 'POST') return { ok: true, access, rules: new Set(), body: undefined }

    const json = await readJson()
    if (json.outcome === 'too large') return { ok: false, response: protocolError('tooLarge') }
    if (json.outcome === 'malformed') return { ok: false, response: protocolError('parse') }
    const { value } = json
    if (Array.isArray(value) && value.length > batchLimit) return { ok: false, response: protocolError('batch') }
    const body = readBody(value)
    const liar = disagreement(headers, body)
    if (liar !== undefined) {
      const detail = `${liar} does not say what the body says`
      return { ok: false, response: protocolError('headerMismatch', body.calls[0]?.id, detail) }
    }

    const rules = new Set<McpRule>(announced === undefined ? [] : [announced])
    for (const call of body.calls) {
      for (const rule of rulesOf(call.subjects, policies)) {
        if (rules.has(rule) && !rule.isPerCall) continue
        const more = await rule.decide(request, call.arguments)
        if (more === 'unreadable') return { ok: false, response: protocolError('argument', call.id) }
        if (more?.ok === false) return more
        rules.add(rule)
      }
    }
    return { ok: true, access, rules, body: value }
  }
}

/** A name that nobody registered is the SDK's to refuse: only it knows what there is. */
function rulesOf(subjects: readonly McpSubject[], policies: McpPolicies): readonly McpRule[] {
  return subjects.flatMap((subject) => policies.find(subject) ?? [])
}

/** The rule that the headers alone can be held to: not one on the arguments of a call. */
function announcedRule({ method, name }: MirroredHeaders, policies: McpPolicies): McpRule | undefined {
  if (method === undefined || name === undefined) return undefined
  return rulesOf(subjectsOfHeaders(method, name), policies).find((rule) => !rule.isPerCall)
}
