import { createHmac } from 'node:crypto'
import { askBounded } from '../outbound-fetch.ts'
import type { Store } from '../store/store.ts'
import type { LeakNotice } from '../store/verbs/leak-notices.ts'
import { type LeakWebhook, webhookProblem, webhookSecretOf } from './reporter.ts'

/** Sends the notices that are due. Resolves to how many did not arrive, and why the last of them did not. */
export interface LeakSender {
  readonly sendDue: (isEnding: () => boolean) => Promise<{ readonly failed: number; readonly why: string | undefined }>
}

const timeoutMs = 5_000
const answerByteLimit = 65_536
const noticesTogether = 8
/** Longer than all that are taken together may take. */
const leaseMs = 2 * noticesTogether * timeoutMs
const longestPauseMs = 3_600_000

/**
 * Sends notices of leaks to one address, signed as the Standard Webhooks specification has it: `webhook-id` (the same each time a
 * notice is sent), `webhook-timestamp`, and `webhook-signature` over both and the body.
 */
export function createLeakSender(
  { store, issuer, now }: { readonly store: Store; readonly issuer: string; readonly now: () => number },
  webhook: LeakWebhook,
  ask = askBounded,
): LeakSender {
  const problem = webhookProblem(webhook)
  if (problem !== undefined) throw new Error(`leakWebhook: ${problem}`)
  const secret = webhookSecretOf(webhook.secret) ?? Buffer.alloc(0)

  /** Why it did not arrive. */
  const send = async (notice: LeakNotice): Promise<string | undefined> => {
    const body = formatNotice(issuer, notice)
    const timestamp = String(Math.floor(now() / 1_000))
    const headers = { 'content-type': 'application/json', ...sign(secret, notice.id, timestamp, body) }
    try {
      const { status } = await ask({ url: webhook.url, body, headers, timeoutMs, byteLimit: answerByteLimit })
      return status >= 200 && status < 300 ? undefined : `it answered ${status}`
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'not an error'
    }
  }

  return {
    async sendDue(isEnding) {
      let failed = 0
      let why: string | undefined
      // A look first, for most of the time nothing is due and a node must not write.
      while (!isEnding() && (await store.hasDueNotice(undefined))) {
        const notices = await store.takeNotices({ limit: noticesTogether, leaseMs })
        for (const notice of notices) {
          // Each may take as long as the timeout. Those that are left are due again when the lease has run out.
          if (isEnding()) break
          const problem = await send(notice)
          if (problem !== undefined) [failed, why] = [failed + 1, problem]
          const retryInMs = problem === undefined ? undefined : Math.min(1_000 * 2 ** notice.attempts, longestPauseMs)
          await store.settleNotice({ id: notice.id, retryInMs })
        }
        if (notices.length === 0) break
      }
      return { failed, why }
    },
  }
}

function formatNotice(issuer: string, { atMs, content }: LeakNotice): string {
  return JSON.stringify({
    type: 'leak.reported',
    timestamp: new Date(atMs).toISOString(),
    data: { issuer, ...JSON.parse(content) },
  })
}

function sign(secret: Buffer, id: string, timestamp: string, body: string): Readonly<Record<string, string>> {
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
