import { parseJsonObjectText, readString } from '@arctos/core'
import { askBounded } from '../outbound-fetch.ts'

/** How long a receiver may take, in milliseconds. */
export const pushTimeoutMs = 3_000
/** How much of an answer is read, in bytes. */
const answerByteLimit = 4_096

/** What became of one event that was pushed. */
export type Delivery =
  | { readonly outcome: 'accepted' }
  /** The receiver understood, and cannot use this event; `err` is its word (RFC 8935 §2.4). */
  | { readonly outcome: 'refused'; readonly err: string }
  /** It may be taken another time. */
  | { readonly outcome: 'failed'; readonly what: string }

/** Where events of one stream are pushed to. */
export interface PushTarget {
  readonly url: string
  readonly authorization: string | undefined
}

/**
 * Pushes one event. Never follows a redirect, which could lead anywhere, and never waits for longer than three seconds.
 * RFC 8935 §2.1, RFC 8935 §2.2, RFC 8935 §2.3
 */
export async function pushEvent({ url, authorization }: PushTarget, set: string): Promise<Delivery> {
  try {
    const { status, text } = await askBounded({
      url,
      body: set,
      headers: {
        'content-type': 'application/secevent+jwt',
        accept: 'application/json',
        ...(authorization === undefined ? {} : { authorization }),
      },
      timeoutMs: pushTimeoutMs,
      byteLimit: answerByteLimit,
    })
    if (status === 202) return { outcome: 'accepted' }
    const err = status === 400 ? errorCode(text) : undefined
    return err === undefined ? { outcome: 'failed', what: `status ${status}` } : { outcome: 'refused', err }
  } catch (error) {
    return { outcome: 'failed', what: nameOf(error) }
  }
}

/** The code in an error answer, where it has one; whatever else it says is not for our journal. */
function errorCode(text: string): string | undefined {
  const body = parseJsonObjectText(text)
  const code = body && readString(body, 'err')
  return code !== undefined && /^[\w.-]{1,60}$/.test(code) ? code : undefined
}

function nameOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { readonly code?: unknown } | undefined)?.code
  if (typeof code === 'string') return code.slice(0, 60)
  return error instanceof Error ? error.name : 'no answer'
}
