import type { ServerContext } from '../context.ts'
import { jsonAnswer } from '../http/answer.ts'
import type { Answer } from '../message.ts'

/** Whether the process answers. */
export function liveEndpoint(): Answer {
  return jsonAnswer('{"status":"live"}')
}

/** Whether this node can serve: its store answers and its keys are open. Degraded is ready, with the reason. */
export async function readyEndpoint(context: ServerContext): Promise<Answer> {
  const { ready, warnings } = await context.readiness()
  const status = ready ? (warnings.length === 0 ? 'ready' : 'degraded') : 'unavailable'
  return jsonAnswer(JSON.stringify({ status, warnings }), ready ? 200 : 503)
}
