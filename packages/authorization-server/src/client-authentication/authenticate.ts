import {
  decodeUnverifiedClientAssertion,
  equalInConstantTime,
  importVerificationKey,
  isVerificationKey,
  Refusal,
  sha256Base64url,
  type UnverifiedClientAssertion,
  type VerificationKey,
  verifyClientAssertion,
} from '@arctos/core'
import type { ServerContext } from '../context.ts'
import type { Parameters } from '../parameters.ts'
import { clientKeys, type RegisteredClient } from '../store/registered-client.ts'
import { clockMarginSeconds, type Spending } from '../store/verbs/spent.ts'
import { type ClientCredentials, readCredentials } from './credentials.ts'

/** A client that proved itself, or a public one that named itself. */
export interface AuthenticatedClient {
  readonly client: RegisteredClient
  /** False for a public client: anyone can name it, so it may not read receipts. */
  readonly proven: boolean
  /** An assertion's id, to be spent in the transaction of what the request is for. */
  readonly assertion: Spending | undefined
}

/** Methods as the server metadata lists them. */
export const authenticationMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const

/**
 * Authenticates the client of a request. Unknown client and wrong secret get the same answer after the same work; what was wrong
 * is in the journal. RFC 6749 §2.3, RFC 6749 §3.2.1
 */
export async function authenticateClient(
  context: ServerContext,
  authorization: string | null,
  parameters: Parameters,
): Promise<AuthenticatedClient> {
  const credentials = readCredentials(authorization, parameters)
  const assertion =
    credentials.method === 'private_key_jwt' ? decodeUnverifiedClientAssertion(credentials.assertion) : undefined
  const clientId = namedClient(credentials, assertion)
  const client = await context.store.readClient(clientId)
  const spending = proveClient(context, credentials, assertion, client)
  if (client === undefined) throw new Refusal('client.unknown', { check: 'client_id', received: clientId.slice(0, 60) })
  // Checked after the proof, so that nobody else learns it.
  if (client.disabledAt !== undefined)
    throw new Refusal('client.disabled', { check: 'client', expected: 'enabled', received: 'disabled' })
  return { client, proven: credentials.method !== 'none', assertion: spending }
}

function namedClient(credentials: ClientCredentials, assertion: UnverifiedClientAssertion | undefined): string {
  const { clientId } = credentials
  if (assertion === undefined) return clientId ?? ''
  if (clientId !== undefined && clientId !== assertion.clientId) {
    throw new Refusal('client.assertion_invalid', {
      check: 'client_id',
      expected: 'the subject of the assertion',
      received: 'another',
    })
  }
  // JSON can spell what no form can, and not every database can look for it.
  if (/\p{Cc}|\p{Cs}/u.test(assertion.clientId))
    throw new Refusal('client.assertion_invalid', { check: 'sub', expected: 'a client_id', received: 'no text' })
  return assertion.clientId
}

function proveClient(
  context: ServerContext,
  credentials: ClientCredentials,
  assertion: UnverifiedClientAssertion | undefined,
  client: RegisteredClient | undefined,
): Spending | undefined {
  if (client !== undefined && !client.settings.authenticationMethods.includes(credentials.method)) {
    throw new Refusal('client.method_mismatch', {
      check: 'client authentication method',
      expected: client.settings.authenticationMethods.join(' '),
      received: credentials.method,
    })
  }
  switch (credentials.method) {
    case 'client_secret_basic':
    case 'client_secret_post':
      proveSecret(credentials.secret.reveal(), client)
      return undefined
    case 'private_key_jwt':
      return assertion && client && proveAssertion(context, assertion, client)
    case 'none':
      return undefined
  }
}

const nobodysHash = 'A'.repeat(43)

/** Machine-made secrets have 256 bits, so a plain hash keeps them; hashes are compared in constant time. */
function proveSecret(secret: string, client: RegisteredClient | undefined): void {
  const expected = client?.secretHash ?? nobodysHash
  const matches = equalInConstantTime(Buffer.from(sha256Base64url(secret)), Buffer.from(expected))
  if (client !== undefined && !matches)
    throw new Refusal('client.secret_wrong', { check: 'client_secret', received: 'another secret' })
}

function proveAssertion(
  context: ServerContext,
  assertion: UnverifiedClientAssertion,
  client: RegisteredClient,
): Spending {
  const now = Math.floor(context.now() / 1000)
  const { jti, expiresAt } = verifyClientAssertion(assertion, keysOf(client), context.issuer, now)
  return { kind: 'assertion', owner: client.id, id: jti, expiresAt: expiresAt + clockMarginSeconds }
}

const imported = new WeakMap<object, readonly VerificationKey[]>()

/** The registered keys, imported once for each version of the client's settings. */
function keysOf(client: RegisteredClient): readonly VerificationKey[] {
  let keys = imported.get(client.settings)
  if (keys === undefined) {
    keys = clientKeys(client)
      .map((jwk) => importVerificationKey(jwk, client.id))
      .filter(isVerificationKey)
    imported.set(client.settings, keys)
  }
  return keys
}
