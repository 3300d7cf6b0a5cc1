import { createRecentCache, type JsonObject } from '@arctos/core'
import { z } from 'zod'
import { isRedirectUri } from '../redirect-uri.ts'
import { integer, optionalInteger, optionalText, type Row, text } from './transaction.ts'

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

export type ClientSettings = z.infer<typeof clientSettings>

/** A registered client as one transaction saw it. */
export interface RegisteredClient {
  readonly id: string
  readonly settings: ClientSettings
  /** SHA-256 of the secret, base64url. */
  readonly secretHash: string | undefined
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

export const clientColumns = 'id, version, settings, secret_hash, not_before, disabled_at, created_at'

// The row is read for every request, so that a change counts at once; its settings are parsed once a version.
const parsed = createRecentCache<number, ClientSettings>(1_000)

export function clientOfRow(row: Row): RegisteredClient {
  const version = integer(row, 'version')
  let settings = parsed.get(version)
  if (settings === undefined) {
    settings = clientSettings.parse(JSON.parse(text(row, 'settings')))
    parsed.set(version, settings)
  }
  return {
    id: text(row, 'id'),
    settings,
    secretHash: optionalText(row, 'secret_hash'),
    notBefore: integer(row, 'not_before'),
    disabledAt: optionalInteger(row, 'disabled_at'),
    createdAt: integer(row, 'created_at'),
  }
}
