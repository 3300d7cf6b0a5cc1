import { Refusal } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import { enter } from '../http/entry.ts'
import { refusalPage, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { basePath, isFormOfSession, readSubmission } from './browser.ts'
import { readDecision } from './decision.ts'

/** The user's answer to a device. The first one counts; whatever comes after it changes nothing. RFC 8628 §3.3 */
export function deviceDecisionEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'device/decision' }
  return enter(
    context,
    event,
    async () => {
      const { parameters, browser, form } = await readSubmission(context, request, 'device')
      const { session } = browser
      const here = `${basePath(context)}/device`
      // Signed out meanwhile, or somebody else is signed in now: the code has to be entered again.
      if (!isFormOfSession(form, session)) return seeOther(here)
      event.subject = session.userId
      const { outcome } = await context.store.decideDevice({
        deviceCodeHash: form.data['device'] ?? '',
        clientId: form.data['client'] ?? '',
        userId: session.userId,
        authenticatedAt: session.authenticatedAt,
        acr: session.acr,
        approved: readDecision(parameters),
      })
      event.outcome = outcome
      switch (outcome) {
        case 'approved':
        case 'denied':
          return seeOther(`${here}?done=${outcome}`)
        case 'not_waiting':
        case 'principal_disabled':
          throw new Refusal('page.user_code_wrong', { check: 'device', expected: 'one that waits', received: outcome })
      }
    },
    refusalPage,
  )
}
