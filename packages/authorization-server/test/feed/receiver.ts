import {
  decodeUnverifiedSecurityEvent,
  importVerificationKey,
  isVerificationKey,
  type JsonObject,
  type SecurityEvent,
  verifySecurityEvent,
} from '@arctos/core'
import { decodeJwt } from 'jose'
import { basic, type Installation, type Reply } from '../endpoints/installation.ts'

/** A receiver of events, as a program has it that knows only HTTP. */
export interface Receiver {
  readonly clientId: string
  readonly token: string
  readonly ask: (path: string, init?: { method?: string; body?: unknown; token?: string }) => Promise<Reply>
  /** Makes a stream; throws unless it was made. */
  readonly stream: (body?: object) => Promise<Readonly<Record<string, unknown>>>
  readonly poll: (id: string, body?: object) => Promise<Poll>
}

export interface Poll {
  readonly reply: Reply
  readonly sets: Readonly<Record<string, string>>
  readonly jtis: readonly string[]
}

export async function receiverOf(
  site: Pick<Installation, 'issuer' | 'post' | 'send'>,
  clientId: string,
): Promise<Receiver> {
  const form = { grant_type: 'client_credentials', resource: `${site.issuer}/ssf`, scope: 'ssf.read ssf.manage' }
  const granted = await site.post('/token', form, basic(clientId))
  if (granted.status !== 200) throw new Error(`no token for the feed: ${granted.reason}`)
  const token = String(granted.body['access_token'])
  const ask: Receiver['ask'] = (path, { method = 'GET', body, token: other = token } = {}) =>
    site.send(path, {
      method,
      headers: {
        authorization: `Bearer ${other}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  return {
    clientId,
    token,
    ask,
    async stream(body = {}) {
      const made = await ask('/ssf/streams', { method: 'POST', body })
      if (made.status !== 201) throw new Error(`no stream: ${made.status} ${made.reason}`)
      return made.body
    },
    async poll(id, body = { returnImmediately: true }) {
      const reply = await ask(`/ssf/poll/${id}`, { method: 'POST', body })
      const sets = (reply.body['sets'] ?? {}) as Readonly<Record<string, string>>
      return { reply, sets, jtis: Object.keys(sets) }
    },
  }
}

/** Verifies an event as our guard does, with the keys that the transmitter publishes. */
export async function verifyEvent(
  site: Pick<Installation, 'issuer' | 'send' | 'clock'>,
  set: string,
  audience: string,
): Promise<SecurityEvent> {
  const { keys } = (await site.send('/ssf/jwks')).body as unknown as { readonly keys: readonly JsonObject[] }
  const unverified = decodeUnverifiedSecurityEvent(set)
  if ('problem' in unverified) throw new Error(`no event: ${unverified.problem}`)
  const [jwk] = keys.filter(({ kid }) => kid === unverified.kid)
  const key = importVerificationKey(jwk ?? {}, site.issuer)
  if (!isVerificationKey(key)) throw new Error('no key')
  const expected = { issuer: site.issuer, audiences: [audience], clockToleranceSeconds: 0 }
  const event = verifySecurityEvent(unverified, key, expected, site.clock.seconds())
  if ('problem' in event) throw new Error(`no event: ${event.problem}`)
  return event
}

/** Takes one token back, a second after whatever was before: the log is in the order of time. */
export async function takeBack(
  { store, clock }: Pick<Installation, 'store' | 'clock'>,
  jti: string,
  audience: readonly string[] | undefined,
): Promise<void> {
  clock.pass(1)
  const expiresAt = clock.seconds() + 600
  const token = { jti, expiresAt, clientId: 'service', subject: 'service' }
  const { outcome } = await store.revokeJwt(audience === undefined ? token : { ...token, audience })
  if (outcome !== 'revoked') throw new Error(`${jti} was not revoked`)
}

/** The ids of the tokens that events tell of, in the order of the answer. */
export function tokensIn(sets: Readonly<Record<string, string>> | readonly string[]): readonly string[] {
  return Object.values(sets).flatMap((set) => {
    const { jti } = decodeJwt(set)['sub_id'] as { readonly jti?: string }
    return jti ?? []
  })
}
