import { clientSecretBasic, oauthClient } from '@arctos/client'
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
}

/** Makes two real calls as a service would: one that may read, and one that tries to write with the same token. */
export async function makeFirstCalls(issuer: string, samples: Samples): Promise<FirstCalls> {
  const { client, audience, apiUrl } = samples
  const service = oauthClient({ issuer, clientId: client.id, auth: clientSecretBasic(client.secret) })
  const notes = service.fetch({ resource: audience, scope: 'read' })
  return {
    accepted: await readCall(await notes(apiUrl)),
    refused: await readCall(await notes(apiUrl, { method: 'POST' })),
  }
}

async function readCall(response: Response): Promise<FirstCall> {
  return {
    status: response.status,
    body: await response.text(),
    receipt: response.headers.get('arctos-receipt') ?? undefined,
  }
}
