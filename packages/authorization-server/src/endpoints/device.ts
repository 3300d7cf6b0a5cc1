import { Refusal, refusalRow } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { enter, type SealedRefusal } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import { pageAnswer, refusalPage, seeOther } from '../http/page.ts'
import type { JournalEvent } from '../journal.ts'
import { deviceConsentPage } from '../pages/device-consent-page.ts'
import { deviceDonePage, userCodePage } from '../pages/user-code-page.ts'
import { parseParameters } from '../parameters.ts'
import { addressNetwork } from '../peer-address.ts'
import type { Allowance } from '../store/verbs/attempts.ts'
import { offlineScope } from '../store/verbs/codes.ts'
import type { WaitingDevice } from '../store/verbs/device-decisions.ts'
import { formatUserCode, hashUserCode, parseUserCode } from '../user-code.ts'
import {
  type Browser,
  type BrowserSession,
  basePath,
  isFormOfSession,
  makeForm,
  readBrowser,
  readOwnForm,
} from './browser.ts'
import { showSignIn } from './sign-in.ts'

const formSeconds = 600
const globalAllowance = 'device codes of all'

/**
 * Wrong codes that are looked at (RFC 8628 §5.1). Three at once and one more every half minute are never more than five within a
 * minute. The last one is for all browsers and accounts together: guesses that come from everywhere hit one of a thousand waiting
 * codes in a day with a chance of one in 200,000, and stop everybody for a while.
 */
function allowancesOf(peer: Peer, session: BrowserSession): readonly Allowance[] {
  return [
    { id: `device codes address ${addressNetwork(peer.address)}`, count: 3, windowSeconds: 90 },
    { id: `device codes account ${session.userId}`, count: 10, windowSeconds: 600 },
    { id: globalAllowance, count: 300, windowSeconds: 600 },
  ]
}

/**
 * Where a user types the code of a device, and is then asked. An address that brings the code along only fills it in: whoever was
 * sent that address by somebody else must still see what it is for. RFC 8628 §3.3, RFC 8628 §3.3.1
 */
export function deviceEndpoint(context: ServerContext, request: Request, peer: Peer): Promise<Response> {
  const event: JournalEvent = { endpoint: 'device' }
  let tried: Tried | undefined
  return enter(
    context,
    event,
    async () => {
      const browser = await readBrowser(context, request.headers)
      const { session } = browser
      if (session !== undefined) event.subject = session.userId
      const here = `${basePath(context)}/device`
      if (request.method !== 'POST') {
        const { done, code } = readQuery(request)
        if (done !== undefined) return pageAnswer(deviceDonePage(done))
        const to = code === undefined ? here : `${here}?user_code=${formatUserCode(code)}`
        if (session === undefined) return showSignIn(context, browser, { to })
        return showUserCode(context, { browser, typed: code === undefined ? '' : formatUserCode(code) })
      }
      const parameters = await readForm(request)
      const form = readOwnForm(context, request, browser, 'user-code', parameters)
      if (!isFormOfSession(form, session)) return seeOther(here)
      const typed = parameters.get('user_code') ?? ''
      tried = { browser, typed }
      const device = await findDevice(context, typed, allowancesOf(peer, session), event)
      return await askConsent(context, { browser, session, peer, device, code: parseUserCode(typed) ?? '' })
    },
    (sealed) => answerFailure(context, tried, sealed),
  )
}

/** A query is anybody's: what makes no sense in it is left out. */
function readQuery(request: Request): { readonly done?: 'approved' | 'denied'; readonly code?: string | undefined } {
  const start = request.url.indexOf('?')
  try {
    const parameters = parseParameters(start < 0 ? '' : request.url.slice(start + 1).replace(/#.*$/s, ''))
    const done = parameters.get('done')
    if (done === 'approved' || done === 'denied') return { done }
    return { code: parseUserCode(parameters.get('user_code') ?? '') }
  } catch (error) {
    if (error instanceof Refusal) return {}
    throw error
  }
}

async function findDevice(
  context: ServerContext,
  typed: string,
  allowances: readonly Allowance[],
  event: JournalEvent,
): Promise<WaitingDevice> {
  // What has not the form of a code is counted like one that nobody has: every wrong answer costs the same.
  const userCodeHash = hashUserCode(context.keys.formKey(), parseUserCode(typed) ?? 'none')
  const entered = await context.store.enterUserCode({ userCodeHash, allowances })
  event.outcome = entered.outcome
  switch (entered.outcome) {
    case 'found':
      return entered.device
    case 'unknown':
      throw new Refusal('page.user_code_wrong', { check: 'user code', expected: 'one that waits' })
    case 'limited':
      if (entered.limitedBy === globalAllowance) event.alarm = 'user_codes_guessed'
      throw new Refusal('request.limited', { check: 'user codes', retryAfterSeconds: entered.retryAfterSeconds })
  }
}

interface Asking {
  readonly browser: Browser
  readonly session: BrowserSession
  readonly peer: Peer
  readonly device: WaitingDevice
  readonly code: string
}

/** Who asks for what, since when and from where; nothing is agreed to by having come here. RFC 8628 §5.4, RFC 10027 §6.1.14 */
async function askConsent(context: ServerContext, asking: Asking): Promise<Response> {
  const { browser, session, peer, device, code } = asking
  const client = await context.store.readClient(device.clientId)
  const resources = await context.store.readResources(device.resourceKeys)
  // Deleted meanwhile: then there is nothing left to agree to.
  if (client === undefined || client.disabledAt !== undefined || resources.length !== device.resourceKeys.length)
    throw new Refusal('page.user_code_wrong', { check: 'client and resources', expected: 'still registered' })
  const meaningOf = (word: string): string => {
    const meanings = resources.flatMap((resource) => resource.scopes[word] ?? [])
    return [...new Set(meanings)].join(' · ') || word
  }
  const words = device.scopes.filter((word) => word !== offlineScope)
  const data = { device: device.deviceCodeHash, client: client.id }
  const page = deviceConsentPage({
    action: `${basePath(context)}/device/decision`,
    proof: makeForm(context, browser, 'device', formSeconds, data),
    username: session.username,
    clientId: client.id,
    clientName: client.settings.name,
    userCode: formatUserCode(code),
    resources: resources.map((resource) => resource.identifier),
    scopes: words.map((word) => ({ word, meaning: meaningOf(word) })),
    offline: device.scopes.includes(offlineScope),
    askedFrom: device.askedFrom,
    sameNetwork: addressNetwork(device.askedFrom) === addressNetwork(peer.address),
    askedAt: device.issuedAt,
    ageSeconds: device.ageSeconds,
  })
  return pageAnswer(page, { cookies: browser.cookies })
}

/** What is shown again when it was wrong. */
interface Tried {
  readonly browser: Browser
  readonly typed: string
}

function showUserCode(
  context: ServerContext,
  { browser, typed }: Tried,
  failed: { readonly problem?: string; readonly sealed?: SealedRefusal } = {},
): Response {
  const page = userCodePage({
    action: `${basePath(context)}/device`,
    proof: makeForm(context, browser, 'user-code', formSeconds),
    username: browser.session?.username ?? '',
    typed: typed.slice(0, 40),
    problem: failed.problem,
  })
  return pageAnswer(page, { cookies: browser.cookies, sealed: failed.sealed })
}

function answerFailure(context: ServerContext, tried: Tried | undefined, sealed: SealedRefusal): Response {
  const { reason } = sealed.refusal
  if (tried === undefined || reason !== 'page.user_code_wrong') return refusalPage(sealed)
  return showUserCode(context, tried, { problem: refusalRow(reason).sentence, sealed })
}
