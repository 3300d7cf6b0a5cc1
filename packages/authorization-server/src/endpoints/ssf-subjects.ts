import { Refusal } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import { isSubject } from '../feed/subject-match.ts'
import { jsonAnswer } from '../http/answer.ts'
import { readJsonBody } from '../http/json-body.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { removedSubjectLimit } from '../store/verbs/streams.ts'
import { enterFeed, streamOfBody } from './ssf-request.ts'

const subjectLimit = 2_000

/** Puts a subject back on a stream. All are on it by default, so that there is nothing to say about one that is unknown. SSF §8.1.3.2 */
export function ssfAddSubjectEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  return changeSubject(context, request, true)
}

/** Takes a subject off a stream. SSF §8.1.3.3 */
export function ssfRemoveSubjectEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  return changeSubject(context, request, false)
}

function changeSubject(context: ServerContext, request: ProgramRequest, wanted: boolean): Promise<Answer> {
  return enterFeed(context, request, { endpoint: 'ssf subjects', needed: 'manage' }, async (asked) => {
    const body = await readJsonBody(request)
    const { id } = await streamOfBody(context, asked, body)
    const { subject, verified } = body
    if (!isSubject(subject) || JSON.stringify(subject).length > subjectLimit)
      throw new Refusal('feed.malformed', { check: 'subject', expected: 'a subject identifier' })
    if (verified !== undefined && typeof verified !== 'boolean')
      throw new Refusal('feed.malformed', { check: 'verified', expected: 'true or false' })
    asked.event.outcome = wanted ? 'added' : 'removed'
    const { outcome } = await context.store.changeSubject({ id, clientId: asked.client.id, subject, wanted })
    switch (outcome) {
      case 'changed':
        context.feed.streamChanged(id)
        return wanted ? { ...jsonAnswer('', 200), body: null } : { ...jsonAnswer('', 204), body: null }
      case 'too_many':
        throw new Refusal('request.too_large', { check: 'removed subjects', expected: removedSubjectLimit })
      case 'unknown':
        throw new Refusal('feed.stream_unknown', { check: 'stream_id' })
    }
  })
}
