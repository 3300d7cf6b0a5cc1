import { randomBytes } from 'node:crypto'
import {
  createRandom,
  isRegistrableScope,
  makeSharedSecret,
  type NewKey,
  type ResourceSettings,
  type Store,
} from '@arctos/authorization-server'
import { formatOpaqueToken, isResourceIdentifier, resourceKey, type Secret, sha256Base64url } from '@arctos/core'
import type { Command } from 'commander'
import type { Configuration } from '../configuration.ts'
import { openAnyKey } from '../key-file.ts'
import { operator, placeOf, type RawOptions, withStore } from '../open.ts'
import { CommandError, report, table } from '../terminal.ts'
import { gather, storeCommand } from './options.ts'

interface CreateOptions extends RawOptions {
  readonly scope?: readonly string[]
  readonly opaque?: boolean
  readonly typ?: string
  readonly alg?: string
  readonly lifetime?: string
  readonly json?: boolean
}

export function registerResource(program: Command): void {
  const resource = program.command('resource').description('protected resources (APIs)')

  storeCommand(
    resource,
    'create',
    'register a resource, with its own credential: for introspection and the feed of what is taken back',
    ['keyFile', 'environment'],
  )
    .argument('<identifier>', 'its URL, as tokens carry it in aud')
    .option('--scope <WORD=MEANING>', 'a scope and what it allows; repeatable', gather)
    .option('--opaque', 'issue opaque tokens instead of JWTs')
    .option('--typ <TYP>', 'at+jwt, or JWT for verifiers that refuse at+jwt', 'at+jwt')
    .option('--alg <ALG>', 'HS256: sign its JWTs with a secret that it shares with this server; shown once')
    .option('--lifetime <SECONDS>', 'life of its access tokens', '600')
    .action(async (identifier: string, options: CreateOptions) => {
      const settings = settingsOf(identifier, options)
      const { clientId, secret, shared } = await withStore(
        options,
        async (store, configuration) => {
          const key = resourceKey(identifier)
          const shared = settings.tokenAlgorithm && (await makeSecret(store, configuration, key))
          return { ...(await createResource(store, settings, shared?.key)), shared }
        },
        { mayCreate: true },
      )
      const lines = [
        `created ${identifier}`,
        `introspection client  ${clientId}`,
        `introspection secret  ${secret.reveal()}`,
        ...(shared === undefined ? [] : sharedLines(shared)),
      ]
      report(options.json, { identifier, clientId, clientSecret: secret.reveal(), ...sharedFacts(shared) }, lines)
    })

  storeCommand(resource, 'new-secret', 'add a shared secret; the former one verifies until: arctos key retire', [
    'keyFile',
    'environment',
  ])
    .argument('<identifier>')
    .option('--in <SECONDS>', 'when it begins to sign: the resource has to know it by then', '3600')
    .action(async (identifier: string, options: RawOptions) => {
      const seconds = Number(options['in'])
      if (!Number.isInteger(seconds) || seconds < 0 || seconds > 30 * 86_400)
        throw new CommandError(`--in: ${options['in']} is not allowed; it must be 0 to 2592000 seconds`)
      const shared = await withStore(options, async (store, configuration) => {
        const [found] = await store.readResources([resourceKey(identifier)])
        if (found?.tokenAlgorithm === undefined)
          throw new CommandError(`there is no resource ${identifier} with a shared secret`)
        const made = await makeSecret(store, configuration, found.key, seconds)
        await store.addKey({ key: made.key, onlyIfOlderThanSeconds: undefined, actor: operator })
        return made
      })
      report(Boolean(options['json']), { identifier, ...sharedFacts(shared) }, sharedLines(shared))
    })

  storeCommand(resource, 'list', 'list resources').action(async (options: RawOptions) => {
    const resources = await withStore(options, (store) => store.listResources(undefined))
    const rows = resources.map((each) => [each.identifier, tokensOf(each), Object.keys(each.scopes).join(' ')])
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
        `tokens    ${tokensOf(found)} (${found.tokenType})`,
        `lifetime  ${found.accessTokenLifetimeSeconds} s`,
        'scopes',
        ...scopes,
      ]
      report(Boolean(options['json']), found, lines)
    })
}

interface SharedSecret {
  readonly key: NewKey
  readonly secret: Secret
}

function makeSecret(store: Store, configuration: Configuration, key: string, seconds = 0): Promise<SharedSecret> {
  const kek = openAnyKey(configuration, placeOf(configuration).dataDir)
  return makeSharedSecret({ store, kek, random: createRandom() }, key, seconds)
}

function sharedLines({ key, secret }: SharedSecret): readonly string[] {
  return [`shared secret kid     ${key.id}`, `shared secret         ${secret.reveal()}`, 'It is not shown again.']
}

function sharedFacts(shared: SharedSecret | undefined): object {
  return shared === undefined ? {} : { kid: shared.key.id, sharedSecret: shared.secret.reveal() }
}

function tokensOf({ tokenFormat, tokenAlgorithm }: ResourceSettings): string {
  return tokenAlgorithm === undefined ? tokenFormat : `${tokenFormat} ${tokenAlgorithm}`
}

function settingsOf(identifier: string, options: CreateOptions): ResourceSettings {
  if (!isResourceIdentifier(identifier))
    throw new CommandError(`${identifier} is not an absolute http(s) URI without query or fragment`)
  const { typ } = options
  if (typ !== 'at+jwt' && typ !== 'JWT')
    throw new CommandError(`--typ: ${typ} is not allowed; it must be at+jwt or JWT`)
  const { alg } = options
  if (alg !== undefined && alg !== 'HS256')
    throw new CommandError(`--alg: ${alg} is not allowed; without it tokens are signed with the server's key`)
  if (alg !== undefined && options.opaque) throw new CommandError('--alg: opaque tokens are not signed')
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
    ...(alg === undefined ? {} : { tokenAlgorithm: alg }),
    accessTokenLifetimeSeconds: lifetime,
  }
}

function readScope(text: string): readonly [string, string] {
  const [word = '', ...meaning] = text.split('=')
  if (!isRegistrableScope(word)) throw new CommandError(`--scope: ${word} cannot be a scope of a resource`)
  return [word, meaning.join('=') || word]
}

/** A resource, its shared secret if it has one, and the credential of its server. */
export async function createResource(
  store: Store,
  settings: ResourceSettings,
  sharedSecret?: NewKey,
): Promise<{ readonly clientId: string; readonly secret: Secret }> {
  const created = await store.createResource({ settings, sharedSecret, actor: operator })
  if (created.outcome === 'identifier_taken')
    throw new CommandError(`there is a resource or client ${settings.identifier} already`)
  const secret = formatOpaqueToken('clientSecret', randomBytes(32), store.environment)
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
