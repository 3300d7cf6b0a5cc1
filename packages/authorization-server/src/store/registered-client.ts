import { createRecentCache, type JsonObject } from '@arctos/core'
import { z } from 'zod'
import { isPushEndpoint } from '../push-endpoint.ts'
import { isRedirectUri } from '../redirect-uri.ts'
import { integer, optionalInteger, type Row, text } from './transaction.ts'

/** How a client proves itself (RFC 6749 §2.3, RFC 7523, RFC 8414 `token_endpoint_auth_methods_supported`). */
export const clientAuthenticationMethods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'none',
] as const

/** Rules for clients, where specifications conflict. */
export const clientProfiles = ['oauth2.1', 'mcp', 'fapi2'] as const

const redirectUri = z.string().max(2_000).refine(isRedirectUri, {
  error:
    'must be an absolute URI without fragment: https, http on loopback, or a private-use scheme such as com.example.app:/',
})

const pushEndpoint = z.string().max(2_000).refine(isPushEndpoint, {
  error: 'must be an https URL (http on loopback) without user name and fragment',
})

/** What an operator registers of a client; kept as JSON on its row. */
export const clientSettings = z
  .strictObject({
    name: z.string().min(1).max(200),
    authenticationMethods: z.array(z.enum(clientAuthenticationMethods)).min(1),
    grantTypes: z.array(z.string().max(100)).max(20),
    redirectUris: z.array(redirectUri).max(20),
    /**
     * Which rules it follows where specifications differ: `fapi2` never rotates refresh tokens (and is confidential), `mcp` always
     * gives them the window of a public client. Absent: `oauth2.1`.
     */
    profile: z.enum(clientProfiles).optional(),
    /** Scopes that it may ask for; absent: any that the resource declares. */
    scopes: z.array(z.string().max(200)).max(200).optional(),
    /** Public keys for private_key_jwt, as JWKs. */
    keys: z.array(z.record(z.string(), z.json())).max(10).optional(),
    /** The resource whose server this credential is for: it introspects, and gets no tokens. */
    resourceServerOf: z.string().max(500).optional(),
    /** It may receive every security event, whatever resource it concerns. Absent: no. */
    receivesEvents: z.literal(true).optional(),
    /** URLs at or below which it may have events pushed to. */
    pushEndpoints: z.array(pushEndpoint).max(20).optional(),
  })
  .refine(
    ({ authenticationMethods }) => authenticationMethods.length === 1 || !authenticationMethods.includes('none'),
    {
      error: 'a public client (none) has no other authentication method',
      path: ['authenticationMethods'],
    },
  )
  .refine(({ profile, authenticationMethods }) => profile !== 'fapi2' || !authenticationMethods.includes('none'), {
    error: 'a client of profile fapi2 is confidential',
    path: ['profile'],
  })
  .refine(({ resourceServerOf, grantTypes }) => resourceServerOf === undefined || grantTypes.length === 0, {
    error: 'a resource server introspects and gets no tokens: it has no grant types',
    path: ['grantTypes'],
  })
  .refine(
    ({ receivesEvents, authenticationMethods }) => receivesEvents !== true || !authenticationMethods.includes('none'),
    {
      error: 'a receiver of events is confidential',
      path: ['receivesEvents'],
    },
  )

export type ClientSettings = z.infer<typeof clientSettings>

/** The client that every personal access token is of. It gets no tokens in any other way. */
export const personalTokenClient = 'personal-access-tokens'

/** Secrets that a client or key may have at a time: one in use, and the one that follows it. */
export const secretLimit = 2

const clientSecret = z.strictObject({
  /** SHA-256 of it, base64url. */
  hash: z.string(),
  /** Epoch seconds. */
  madeAt: z.number(),
  /** From then on it proves nothing (epoch seconds); absent: it works until it is removed. */
  expiresAt: z.number().optional(),
})

/** One secret of a client, as far as it is kept. */
export type ClientSecret = Readonly<z.infer<typeof clientSecret>>

const clientSecrets = z.array(clientSecret).max(secretLimit)

/** A registered client as one transaction saw it. */
export interface RegisteredClient {
  readonly id: string
  /** Another one after every change of settings or secrets. */
  readonly version: number
  readonly settings: ClientSettings
  /** At most two; the very same list for every read of one version. */
  readonly secrets: readonly ClientSecret[]
  readonly notBefore: number
  readonly disabledAt: number | undefined
  readonly createdAt: number
}

/** Without a secret or key: rotation is then all that protects its refresh tokens (PROTOCOL §2). */
export function isPublicClient(client: RegisteredClient): boolean {
  return client.settings.authenticationMethods.includes('none')
}

export function clientKeys(client: RegisteredClient): readonly JsonObject[] {
  return (client.settings.keys ?? []) as readonly JsonObject[]
}

export const clientColumns = 'id, version, settings, secrets, not_before, disabled_at, created_at'

// The row is read for every request, so that a change counts at once; its settings and secrets are parsed once a version.
const parsed = createRecentCache<number, Pick<RegisteredClient, 'settings' | 'secrets'>>(1_000)

export function clientOfRow(row: Row): RegisteredClient {
  const version = integer(row, 'version')
  let known = parsed.get(version)
  if (known === undefined) {
    known = {
      settings: clientSettings.parse(JSON.parse(text(row, 'settings'))),
      secrets: clientSecrets.parse(JSON.parse(text(row, 'secrets'))),
    }
    parsed.set(version, known)
  }
  return {
    id: text(row, 'id'),
    version,
    settings: known.settings,
    secrets: known.secrets,
    notBefore: integer(row, 'not_before'),
    disabledAt: optionalInteger(row, 'disabled_at'),
    createdAt: integer(row, 'created_at'),
  }
}
