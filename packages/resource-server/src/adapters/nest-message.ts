import type { Answer } from '../answer.ts'
import type { GuardRequest } from '../request/guard-request.ts'
import { guardRequest, type NodeRequest, type NodeResponse, send } from './node-message.ts'

/** The request of Express, or the one of Fastify with that of Node inside. */
export interface NestRequest extends NodeRequest {
  readonly raw?: NodeRequest
  readonly originalUrl?: string
  readonly body?: unknown
}

/** The response of Express, or the reply of Fastify. */
export type NestResponse = { header(name: string, value: string): unknown } & (NodeResponse | FastifyReply)

interface FastifyReply {
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(body: string): unknown
}

export function nestGuardRequest(request: NestRequest): GuardRequest {
  return guardRequest(request.raw ?? request, request.originalUrl ?? request.url, request.body)
}

/** Answers, and then says no: Nest turns the no into an exception, whose filter finds that the answer is sent. */
export function sendByNest(response: NestResponse, answer: Answer): false {
  if ('code' in response) {
    response.code(answer.status)
    response.headers({ ...answer.headers })
    response.send(answer.body)
  } else {
    send(response, answer)
  }
  return false
}
