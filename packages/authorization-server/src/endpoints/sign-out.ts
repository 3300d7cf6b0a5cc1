import type { ServerContext } from '../context.ts'
import { forgetCookie } from '../http/cookies.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import { pageAnswer, refusalPage, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { signedOutPage, signOutPage } from '../pages/sign-out-page.ts'
import { basePath, isFormOfSession, makeForm, readBrowser, readOwnForm } from './browser.ts'

const formSeconds = 3_600

/** Signs out: a page with a button, so that no other site can do it, and the end of the session. */
export function signOutEndpoint(context: ServerContext, request: Request): Promise<Response> {
  const event: JournalEvent = { endpoint: 'sign-out' }
  return enter(
    context,
    event,
    async () => {
      const base = basePath(context)
      const browser = await readBrowser(context, request.headers)
      const { session } = browser
      if (session !== undefined) event.subject = session.userId
      if (request.method !== 'POST') {
        if (session === undefined) return pageAnswer(signedOutPage(base))
        const proof = makeForm(context, browser, 'sign-out', formSeconds)
        return pageAnswer(signOutPage({ base, username: session.username, proof }), { cookies: browser.cookies })
      }
      const form = readOwnForm(context, request, browser, 'sign-out', await readForm(request))
      const here = `${base}/sign-out`
      // Another session than the one that the form was shown in is not its to end.
      if (session !== undefined && !isFormOfSession(form, session)) return seeOther(here)
      if (session !== undefined) await context.store.closeSession(session.hash)
      return seeOther(here, [forgetCookie('arctos_session', context.secureCookies)])
    },
    refusalPage,
  )
}
