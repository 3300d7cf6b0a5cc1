import { clientSecretBasic, oauthClient } from '@arctos/client'
import type { Secret } from '@arctos/core'
import type { Samples } from './samples.ts'

/** One call of the sample API and what came of it. */
export interface FirstCall {
  readonly status: number
  readonly body: string
  readonly receipt: string | undefined
}

export interface FirstCalls {
  readonly accepted: FirstCall
  readonly refused: FirstCall
  /** With the same token, after it was taken back. */
  readonly takenBack: FirstCall & { readonly afterMs: number }
}

/** How long the API may take to know what was taken back: at its start, and of the sample token. Then the call is told as it is. */
const patienceMs = 10_000
const pauseMs = 100

/**
 * Makes real calls as a service would: one that may read, one that tries to write with the same token, and then, with the token
 * taken back, reads until the API refuses it.
 */
export async function makeFirstCalls(issuer: string, samples: Samples): Promise<FirstCalls> {
  const { client, audience, apiUrl } = samples
  const service = oauthClient({ issuer, clientId: client.id, auth: clientSecretBasic(client.secret) })
  const target = { resource: audience, scope: 'read' }
  const notes = service.fetch(target)
  const accepted = await readOnceReady(() => notes(apiUrl))
  const refused = await readCall(await notes(apiUrl, { method: 'POST' }))
  const token = await service.accessToken(target)
  await service.revoke(token)
  return { accepted, refused, takenBack: await readUntilRefused(apiUrl, token) }
}

/** An API that has just started answers 503 until it knows what was taken back, which on a busy machine takes a while. */
async function readOnceReady(call: () => Promise<Response>): Promise<FirstCall> {
  const begun = performance.now()
  for (;;) {
    const response = await call()
    if (response.status !== 503 || performance.now() - begun > patienceMs) return await readCall(response)
    await response.body?.cancel()
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** Not by the client's own fetch: that would get another token as soon as this one is refused. */
async function readUntilRefused(apiUrl: string, token: Secret): Promise<FirstCalls['takenBack']> {
  const acknowledged = performance.now()
  for (;;) {
    const response = await fetch(apiUrl, { headers: { authorization: `Bearer ${token.reveal()}` } })
    const afterMs = performance.now() - acknowledged
    const call = await readCall(response)
    if (call.status !== 200 || afterMs > patienceMs) return { ...call, afterMs }
  }
}

async function readCall(response: Response): Promise<FirstCall> {
  return {
    status: response.status,
    body: await response.text(),
    receipt: response.headers.get('arctos-receipt') ?? undefined,
  }
}
