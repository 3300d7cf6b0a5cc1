import { formatOpaqueToken, Refusal, sha256Base64url } from '@arctos/core'
import { type AuthenticatedClient, authenticateClient } from '../client-authentication/authenticate.ts'
import type { Peer, ServerContext } from '../context.ts'
import { deviceCode } from '../grant-types/device-code.ts'
import { requestedResources, requestedScopes } from '../grant-types/requested.ts'
import { jsonAnswer, refusalAnswer } from '../http/answer.ts'
import { enter } from '../http/entry.ts'
import { readForm } from '../http/form.ts'
import type { JournalEvent } from '../journal.ts'
import type { Answer, ProgramRequest } from '../message.ts'
import type { Parameters } from '../parameters.ts'
import { addressNetwork } from '../peer-address.ts'
import { deviceLifetimeSeconds, pollIntervalSeconds } from '../store/verbs/device-codes.ts'
import { drawUserCode, formatUserCode, hashUserCode } from '../user-code.ts'

const requestsPerMinute = 60
const drawLimit = 5

/**
 * A device that cannot show a browser asks for access, and is given one code for itself and one for its user. Clients authenticate
 * as at the token endpoint. RFC 8628 §3.1, RFC 8628 §3.2
 */
export function deviceAuthorizationEndpoint(
  context: ServerContext,
  request: ProgramRequest,
  peer: Peer,
): Promise<Answer> {
  const event: JournalEvent = { endpoint: 'device_authorization' }
  return enter(
    context,
    event,
    async () => {
      const parameters = await readForm(request)
      const authenticated = await authenticateClient(context, request.headers.get('authorization'), parameters)
      const { client, proven } = authenticated
      if (proven) event.client = client.id
      // RFC 8628 §5.6: whoever can do without a second device is better off without, so it takes an explicit permission.
      if (!client.settings.grantTypes.includes(deviceCode.name)) {
        const expected = client.settings.grantTypes.join(' ')
        throw new Refusal('client.grant_type_not_allowed', {
          check: 'grant_type',
          expected,
          received: deviceCode.name,
        })
      }
      const started = await start(context, authenticated, parameters, peer)
      event.outcome = 'started'
      return answerCodes(context, started)
    },
    ({ refusal, receipt }) => refusalAnswer(context.issuer, refusal, receipt),
  )
}

interface StartedDevice {
  readonly device: string
  readonly user: string
}

async function start(
  context: ServerContext,
  { client, assertion }: AuthenticatedClient,
  parameters: Parameters,
  { address }: Peer,
): Promise<StartedDevice> {
  const resources = await requestedResources(context, parameters.all('resource'))
  const scopes = requestedScopes(client, resources, parameters.get('scope'), true)
  for (let draw = 0; draw < drawLimit; draw++) {
    // RFC 8628 §5.2: 256 bits of chance; only their hash is kept.
    const device = formatOpaqueToken('deviceCode', context.random(32), context.store.environment).reveal()
    const user = drawUserCode(context.random)
    const started = await context.store.startDevice({
      deviceCodeHash: sha256Base64url(device),
      userCodeHash: hashUserCode(context.keys.formKey(), user),
      clientId: client.id,
      scopes,
      resourceKeys: resources.map((resource) => resource.key),
      askedFrom: address,
      allowances: [{ id: `devices ${addressNetwork(address)}`, count: requestsPerMinute, windowSeconds: 60 }],
      assertion,
    })
    switch (started.outcome) {
      case 'started':
        return { device, user }
      case 'user_code_taken':
        continue
      case 'assertion_replayed':
        throw new Refusal('client.assertion_replayed', { check: 'jti', expected: 'a new one' })
      case 'limited':
        throw new Refusal('request.limited', { check: 'devices', retryAfterSeconds: started.retryAfterSeconds })
    }
  }
  throw new Error('no user code is free')
}

function answerCodes({ issuer }: ServerContext, { device, user }: StartedDevice): Answer {
  const shown = formatUserCode(user)
  return jsonAnswer(
    JSON.stringify({
      device_code: device,
      user_code: shown,
      verification_uri: `${issuer}/device`,
      verification_uri_complete: `${issuer}/device?user_code=${shown}`,
      expires_in: deviceLifetimeSeconds,
      interval: pollIntervalSeconds,
    }),
  )
}
