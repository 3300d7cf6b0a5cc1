import type { ServerContext } from '../context.ts'
import { refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import { keySetAnswer } from './jwks.ts'

/** The public keys of security events. SSF §7.1 */
export function ssfJwksEndpoint(context: ServerContext, request: ProgramRequest): Promise<Answer> {
  return enter(
    context,
    { endpoint: 'ssf jwks' },
    async () => keySetAnswer(await context.keys.eventJwks(), request),
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}
