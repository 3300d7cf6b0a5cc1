import type { Peer, ServerContext } from '../context.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { enterFeed, requireStream, streamIdOf } from './ssf-request.ts'

/**
 * Everything that was taken back and still matters to a stream's audience, whole, for a guard that begins: zlib (RFC 1950) of lines of
 * JSON, vouched for by a JWT in a header (PROTOCOL §6).
 */
export function ssfSnapshotEndpoint(
  context: ServerContext,
  request: ProgramRequest,
  _peer: Peer,
  target: string,
): Promise<Answer> {
  const entry = { endpoint: 'ssf snapshot', needed: 'read', streamId: streamIdOf(target) } as const
  return enterFeed(context, request, entry, async ({ stream }) => {
    const { body, header } = await context.feed.snapshot(requireStream(stream))
    return {
      status: 200,
      headers: {
        'content-type': 'application/vnd.arctos.revocations',
        'arctos-snapshot': header,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
      },
      body,
    }
  })
}
