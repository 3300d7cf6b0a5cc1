import { Refusal } from '@arctos/core'
import type { Peer, ServerContext } from '../context.ts'
import { jsonAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { readRawBody } from '../http/raw-body.ts'
import type { JournalEvent } from '../journal.ts'
import { checkSignature } from '../leaks/leak-desk.ts'
import { parseReport, reportByteLimit } from '../leaks/report.ts'
import { takeBackLeaked } from '../leaks/take-back.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { addressNetwork } from '../peer-address.ts'
import type { Allowance } from '../store/verbs/attempts.ts'

/** Reports a minute: of one sender, before anything of them is checked, and of one reporter. */
const requestsPerMinute = 300
const reportsPerMinute = 300

/**
 * Takes a report of leaked secrets, in the shape of GitHub's secret scanning partner programme, and takes back what they lead to. The
 * signature comes first, before the body is parsed. Secrets that are known, unknown, dead or garbled get one answer.
 */
export function leaksEndpoint(context: ServerContext, request: ProgramRequest, peer: Peer): Promise<Answer> {
  const event: JournalEvent = { endpoint: 'leaks' }
  return enter(
    context,
    event,
    async () => {
      const { store, keys, issuer, leakDesk } = context
      if (leakDesk === undefined) throw new Refusal('page.not_found', { check: 'path' })
      const claims = await leakDesk.claim(request.headers)
      await allow(context, { id: `leaks ${addressNetwork(peer.address)}`, count: requestsPerMinute, windowSeconds: 60 })
      const body = await readRawBody(request, reportByteLimit)
      const { reporter } = checkSignature(claims, body)
      if (leakDesk.isNew(body)) {
        await allow(context, { id: `leaks of ${reporter}`, count: reportsPerMinute, windowSeconds: 60 })
        leakDesk.remember(body)
      }
      const reading = { issuer, keys, now: Math.floor(context.now() / 1_000) }
      const { ended, counts } = await takeBackLeaked(store, reading, {
        reporter,
        initiator: 'policy',
        reported: parseReport(body),
      })
      event.outcome = ended.length > 0 ? 'ended' : 'nothing_ended'
      event.facts = { check: 'leak report', reporter, ...counts }
      if (ended.length > 0) event.alarm = 'secret_leaked'
      return jsonAnswer('{}')
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

async function allow({ store }: ServerContext, allowance: Allowance): Promise<void> {
  const taken = await store.takeAttempt([allowance])
  if (taken.outcome === 'limited')
    throw new Refusal('request.limited', { check: 'leak reports', retryAfterSeconds: taken.retryAfterSeconds })
}
