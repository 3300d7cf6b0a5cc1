import { randomBytes } from 'node:crypto'
import { isRegistrableScope, type ResourceSettings, type Store } from '@arctos/authorization-server'
import { formatOpaqueToken, isResourceIdentifier, resourceKey, type Secret, sha256Base64url } from '@arctos/core'
import type { Command } from 'commander'
import { operator, type RawOptions, withStore } from '../open.ts'
import { CommandError, report, table } from '../terminal.ts'
import { gather, storeCommand } from './options.ts'

interface CreateOptions extends RawOptions {
  readonly scope?: readonly string[]
  readonly opaque?: boolean
  readonly typ?: string
  readonly lifetime?: string
  readonly json?: boolean
}

export function registerResource(program: Command): void {
  const resource = program.command('resource').description('protected resources (APIs)')

  storeCommand(resource, 'create', 'register a resource, with a credential for introspection')
    .argument('<identifier>', 'its URL, as tokens carry it in aud')
    .option('--scope <WORD=MEANING>', 'a scope and what it allows; repeatable', gather)
    .option('--opaque', 'issue opaque tokens instead of JWTs')
    .option('--typ <TYP>', 'at+jwt, or JWT for verifiers that refuse at+jwt', 'at+jwt')
    .option('--lifetime <SECONDS>', 'life of its access tokens', '600')
    .action(async (identifier: string, options: CreateOptions) => {
      const settings = settingsOf(identifier, options)
      const { clientId, secret } = await withStore(options, (store) => createResource(store, settings), {
        mayCreate: true,
      })
      const lines = [
        `created ${identifier}`,
        `introspection client  ${clientId}`,
        `introspection secret  ${secret.reveal()}`,
      ]
      report(options.json, { identifier, clientId, clientSecret: secret.reveal() }, lines)
    })

  storeCommand(resource, 'list', 'list resources').action(async (options: RawOptions) => {
    const resources = await withStore(options, (store) => store.listResources(undefined))
    const rows = resources.map((each) => [each.identifier, each.tokenFormat, Object.keys(each.scopes).join(' ')])
    report(Boolean(options['json']), resources, table(['identifier', 'tokens', 'scopes'], rows))
  })

  storeCommand(resource, 'show', 'show one resource')
    .argument('<identifier>')
    .action(async (identifier: string, options: RawOptions) => {
      const [found] = await withStore(options, (store) => store.readResources([resourceKey(identifier)]))
      if (found === undefined) throw new CommandError(`there is no resource ${identifier}`)
      const scopes = Object.entries(found.scopes).map(([word, meaning]) => `  ${word}  ${meaning}`)
      const lines = [
        found.identifier,
        `tokens    ${found.tokenFormat} (${found.tokenType})`,
        `lifetime  ${found.accessTokenLifetimeSeconds} s`,
        'scopes',
        ...scopes,
      ]
      report(Boolean(options['json']), found, lines)
    })
}

function settingsOf(identifier: string, options: CreateOptions): ResourceSettings {
  if (!isResourceIdentifier(identifier))
    throw new CommandError(`${identifier} is not an absolute http(s) URI without query or fragment`)
  const { typ } = options
  if (typ !== 'at+jwt' && typ !== 'JWT')
    throw new CommandError(`--typ: ${typ} is not allowed; it must be at+jwt or JWT`)
  const lifetime = Number(options.lifetime)
  if (!Number.isInteger(lifetime) || lifetime < 10 || lifetime > 86_400) {
    throw new CommandError(`--lifetime: ${options.lifetime} is not allowed; it must be 10 to 86400 seconds`)
  }
  const scopes = Object.fromEntries((options.scope ?? []).map(readScope))
  return {
    identifier,
    scopes,
    tokenFormat: options.opaque ? 'opaque' : 'jwt',
    tokenType: typ,
    accessTokenLifetimeSeconds: lifetime,
  }
}

function readScope(text: string): readonly [string, string] {
  const [word = '', ...meaning] = text.split('=')
  if (!isRegistrableScope(word)) throw new CommandError(`--scope: ${word} cannot be a scope of a resource`)
  return [word, meaning.join('=') || word]
}

/** A resource and the credential of its server. */
export async function createResource(
  store: Store,
  settings: ResourceSettings,
): Promise<{ readonly clientId: string; readonly secret: Secret }> {
  const created = await store.createResource({ settings, actor: operator })
  if (created.outcome === 'identifier_taken')
    throw new CommandError(`there is a resource or client ${settings.identifier} already`)
  const secret = formatOpaqueToken('clientSecret', randomBytes(32))
  const client = await store.createClient({
    settings: {
      name: `resource server of ${settings.identifier}`.slice(0, 200),
      authenticationMethods: ['client_secret_basic', 'client_secret_post'],
      grantTypes: [],
      redirectUris: [],
      resourceServerOf: created.key,
    },
    secretHash: sha256Base64url(secret.reveal()),
    actor: operator,
  })
  if (client.outcome === 'id_taken') throw new Error('a random client id was taken')
  return { clientId: client.id, secret }
}
