import {
  decodeUnverifiedClientAssertion,
  equalInConstantTime,
  importVerificationKey,
  isVerificationKey,
  Refusal,
  sha256,
  type UnverifiedClientAssertion,
  type VerificationKey,
  verifyClientAssertion,
} from '@arctos/core'
import type { ServerContext } from '../context.ts'
import type { Parameters } from '../parameters.ts'
import { type ClientSecret, clientKeys, type RegisteredClient, secretLimit } from '../store/registered-client.ts'
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
      proveSecret(context, credentials.secret.reveal(), client)
      return undefined
    case 'private_key_jwt':
      return assertion && client && proveAssertion(context, assertion, client)
    case 'none':
      return undefined
  }
}

/** What nobody's secret hashes to; it stands where a client has fewer secrets than it may have, or where there is no client. */
const nobodysHash = Buffer.alloc(32, 0xa5)
const nobodysHashes = Array.from({ length: secretLimit }, () => nobodysHash)
const hashes = new WeakMap<readonly ClientSecret[], readonly Buffer[]>()

/**
 * Machine-made secrets have 256 bits, so a plain hash keeps them. Every hash that the client may have is compared, in constant
 * time, whichever it is and whether there is one.
 */
function proveSecret(context: ServerContext, secret: string, client: RegisteredClient | undefined): void {
  const presented = sha256(secret)
  const expected = client === undefined ? nobodysHashes : hashesOf(client)
  let found = -1
  for (const [index, hash] of expected.entries()) if (equalInConstantTime(presented, hash)) found = index
  if (client === undefined) return
  const known = client.secrets[found]
  if (known === undefined)
    throw new Refusal('client.secret_wrong', { check: 'client_secret', received: 'another secret' })
  const now = Math.floor(context.now() / 1_000)
  if (known.expiresAt !== undefined && known.expiresAt <= now)
    throw new Refusal('client.secret_wrong', { check: 'expiry', expected: `before ${known.expiresAt}`, received: now })
  context.secretUses.note(known.hash, now)
}

/** The hashes of its secrets, filled up to the number that a client may have; made once for each version of the client. */
function hashesOf({ secrets }: RegisteredClient): readonly Buffer[] {
  let known = hashes.get(secrets)
  if (known === undefined) {
    const own = secrets.map(({ hash }) => Buffer.from(hash, 'base64url'))
    known = nobodysHashes.map((nobodys, index) => own[index] ?? nobodys)
    hashes.set(secrets, known)
  }
  return known
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
