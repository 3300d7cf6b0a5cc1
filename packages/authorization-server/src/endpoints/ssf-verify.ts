import { Refusal } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import { minVerificationSeconds } from '../feed/stream-configuration.ts'
import { jsonAnswer } from '../http/answer.ts'
import { readJsonBody } from '../http/json-body.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { enterFeed, readBoundedText, streamOfBody } from './ssf-request.ts'

const stateLimit = 1_000

/** Has a verification event sent over a stream, with the state that the receiver gave. SSF §8.1.4.2 */
export function ssfVerifyEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  return enterFeed(context, request, { endpoint: 'ssf verify', needed: 'manage' }, async (asked) => {
    const body = await readJsonBody(request)
    const { id } = await streamOfBody(context, asked, body)
    const state = readBoundedText(body, 'state', stateLimit)
    const verified = await context.store.requestVerification({
      id,
      clientId: asked.client.id,
      state,
      minIntervalSeconds: minVerificationSeconds,
    })
    switch (verified.outcome) {
      case 'queued':
        context.feed.streamChanged(id)
        return { ...jsonAnswer('', 204), body: null }
      case 'too_soon': {
        const { retryAfterSeconds } = verified
        throw new Refusal('feed.too_soon', {
          check: 'verification',
          expected: minVerificationSeconds,
          retryAfterSeconds,
        })
      }
      case 'unknown':
        throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
    }
  })
}
