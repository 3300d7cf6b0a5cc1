import { Refusal, Secret } from '@arctos/core'
import { formDecode, type Parameters } from '../parameters.ts'

/** What a request shows of its client, by method; not checked yet. */
export type ClientCredentials =
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post'
      readonly clientId: string
      readonly secret: Secret
    }
  | { readonly method: 'private_key_jwt'; readonly clientId: string | undefined; readonly assertion: string }
  | { readonly method: 'none'; readonly clientId: string }

/** Whether a request shows a client at all, by its name or a proof. */
export function showsClient(header: string | null, parameters: Parameters): boolean {
  return (
    header !== null ||
    ['client_id', 'client_secret', 'client_assertion'].some((name) => parameters.get(name) !== undefined)
  )
}

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Reads the one client authentication of a request, from its Authorization header and its parameters. Two are refused, for then each of two servers could see another client
 * (RFC 6749 §2.3). A `client_id` beside the header or an assertion may repeat it.
 */
export function readCredentials(header: string | null, parameters: Parameters): ClientCredentials {
  const clientId = parameters.get('client_id')
  const secret = parameters.get('client_secret')
  const assertion = parameters.get('client_assertion')
  const shown = [header !== null, secret !== undefined, assertion !== undefined].filter(Boolean).length
  if (shown > 1)
    throw new Refusal('client.several_methods', { check: 'client authentication', expected: 'one', received: shown })

  if (header !== null) return readBasic(header, clientId)
  if (assertion !== undefined) {
    const type = parameters.get('client_assertion_type')
    if (type !== assertionType) {
      throw new Refusal('client.assertion_invalid', {
        check: 'client_assertion_type',
        expected: assertionType,
        received: type?.slice(0, 60),
      })
    }
    return { method: 'private_key_jwt', clientId, assertion }
  }
  if (clientId === undefined)
    throw new Refusal('client.missing', { check: 'client authentication', expected: 'one', received: 'none' })
  if (secret !== undefined) return { method: 'client_secret_post', clientId, secret: new Secret(secret) }
  return { method: 'none', clientId }
}

/** HTTP Basic with both halves form-encoded before they are joined (RFC 6749 §2.3.1). */
function readBasic(header: string, bodyClientId: string | undefined): ClientCredentials {
  const wrong = (received: string): Refusal =>
    new Refusal('client.missing', { check: 'Authorization header', expected: 'Basic base64(id:secret)', received })
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)
  if (match === null) throw wrong('another scheme or malformed')
  const text = Buffer.from(match[1] ?? '', 'base64').toString('latin1')
  const colon = text.indexOf(':')
  const clientId = formDecode(text.slice(0, Math.max(colon, 0)))
  const secret = formDecode(text.slice(colon + 1))
  if (colon < 1 || clientId === undefined || secret === undefined) throw wrong('not form-encoded id and secret')
  if (bodyClientId !== undefined && bodyClientId !== clientId) throw wrong('another client_id in the body')
  return { method: 'client_secret_basic', clientId, secret: new Secret(secret) }
}
