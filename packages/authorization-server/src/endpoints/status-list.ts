import { Refusal, statusListType } from '@arctos/core'
import type { ServerContext } from '../context.ts'
import { accepts, acceptsEncoding } from '../http/accept.ts'
import { refusalAnswer } from '../http/answer.ts'
import { matchesEntityTag } from '../http/entity-tag.ts'
import { enter } from '../http/entry.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import type { StatusLists } from '../status-lists/status-lists.ts'

const mediaType = `application/${statusListType}`
const shared = { 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff' }

/**
 * One status list, as a signed JWT. What its cache headers say is what `ttl` says, which comes first for whoever reads it.
 * draft-ietf-oauth-status-list-21 §8.1, draft-ietf-oauth-status-list-21 §8.2
 *
 * @param target path and query as they came
 */
export async function statusListEndpoint(
  context: ServerContext,
  lists: StatusLists,
  request: ProgramRequest,
  target: string,
): Promise<Answer> {
  try {
    return await answerList(lists, request, target)
  } catch (error) {
    // Only what went wrong is written down: many guards ask, and all day.
    const fail = (): Promise<Answer> => Promise.reject(error)
    return enter(context, { endpoint: 'status list' }, fail, ({ refusal, receipt }) =>
      refusalAnswer(context.issuer, refusal, receipt),
    )
  }
}

async function answerList(lists: StatusLists, request: ProgramRequest, target: string): Promise<Answer> {
  const { pathname, searchParams } = new URL(target, 'http://localhost')
  // draft-ietf-oauth-status-list-21 §8.4: who asks for a former list must not take the present one for it. None is kept: what a
  // token's status once was is nobody's to ask.
  if (searchParams.has('time'))
    throw new Refusal('request.not_offered', { check: 'historical resolution', expected: 'no time', received: 'time' })
  if (!accepts(request.headers.get('accept'), mediaType))
    throw new Refusal('request.not_acceptable', { check: 'accept', expected: mediaType })
  const served = await lists.read(pathname.slice(pathname.lastIndexOf('/') + 1))
  if (served === undefined) throw new Refusal('page.not_found', { check: 'status list' })
  const { token, gzipped, hash, maxAgeSeconds } = served
  const isGzip = acceptsEncoding(request.headers.get('accept-encoding'), 'gzip')
  // The tag of a representation: one that is compressed is another one (RFC 9110 §8.8.3).
  const etag = isGzip ? `"${hash}-gzip"` : `"${hash}"`
  const headers = {
    ...shared,
    'cache-control': `public, max-age=${maxAgeSeconds}`,
    etag,
    vary: 'accept, accept-encoding',
  }
  if (matchesEntityTag(request.headers.get('if-none-match'), etag)) return { status: 304, headers, body: null }
  const typed = { ...headers, 'content-type': mediaType }
  if (isGzip) return { status: 200, headers: { ...typed, 'content-encoding': 'gzip' }, body: gzipped }
  return { status: 200, headers: typed, body: token }
}

/** The addresses of all lists. draft-ietf-oauth-status-list-21 §9.3 */
export function aggregationEndpoint(context: ServerContext, lists: StatusLists): Promise<Answer> {
  return enter(
    context,
    { endpoint: 'status lists' },
    async () => {
      // A cache that does not know of a new list yet would have guards refuse the tokens in it.
      const headers = { ...shared, 'content-type': 'application/json', 'cache-control': 'no-cache' }
      return { status: 200, headers, body: JSON.stringify({ status_lists: await lists.addresses() }) }
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}
