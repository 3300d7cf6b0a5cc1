import { Refusal } from '@arctos/core'
import type { RedirectTarget } from '../authorization-request.ts'
import type { ServerContext } from '../context.ts'
import { enter } from '../http/entry.ts'
import type { FormContent } from '../http/form-proof.ts'
import { seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { parseParameters } from '../parameters.ts'
import { clockMarginSeconds, type Spending } from '../store/verbs/spent.ts'
import { findRedirectTarget, giveCode, readAuthorization, refuseAuthorization } from './authorization.ts'
import { shownOf } from './authorize.ts'
import { basePath, isFormOfSession, readSubmission } from './browser.ts'
import { readDecision } from './decision.ts'

/** The user's answer on the consent page. RFC 6749 §4.1.2, RFC 6749 §10.12 */
export function consentEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'consent' }
  let target: RedirectTarget | undefined
  return enter(
    context,
    event,
    async () => {
      const { parameters, browser, form } = await readSubmission(context, request, 'consent')
      const { session } = browser
      const again = (): Response => seeOther(`${basePath(context)}/authorize?${form.data['query'] ?? ''}`)
      // Signed out meanwhile, or somebody else is signed in now: the request starts over.
      if (!isFormOfSession(form, session)) return again()
      event.subject = session.userId
      const approved = readDecision(parameters)
      const asked = parseParameters(form.data['query'] ?? '')
      target = await findRedirectTarget(context, asked)
      const authorization = await readAuthorization(context, target, asked)
      if (shownOf(authorization) !== form.data['shown']) return again()
      if (!approved) return await deny(context, form)
      const { outcome, answer } = await giveCode(context, authorization, session, spendingOf(form))
      event.outcome = outcome
      switch (outcome) {
        case 'issued':
          return answer
        case 'form_spent':
          throw alreadyAnswered()
        case 'principal_disabled':
        case 'not_agreed':
          return again()
      }
    },
    (sealed) => refuseAuthorization(context, target, sealed),
  )
}

/** A "no" is spent too: going back and agreeing after all needs a new request. */
async function deny(context: ServerContext, form: FormContent): Promise<never> {
  const { outcome } = await context.store.spendOnce(spendingOf(form))
  throw outcome === 'spent' ? new Refusal('authorize.denied', { check: 'consent' }) : alreadyAnswered()
}

function spendingOf({ id, session, expiresAt }: FormContent): Spending {
  return { kind: 'consent_form', owner: session, id, expiresAt: expiresAt + clockMarginSeconds }
}

function alreadyAnswered(): Refusal {
  return new Refusal('page.forged_form', { check: 'single use', expected: 'a form that was not answered yet' })
}
