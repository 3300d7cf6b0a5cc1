import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  type ClientSettings,
  clientAuthenticationMethods,
  clientProfiles,
  clientSettings,
  type RegisteredClient,
  type Store,
} from '@arctos/authorization-server'
import {
  formatOpaqueToken,
  importVerificationKey,
  isJsonObject,
  isVerificationKey,
  type JsonObject,
  parseJsonObjectText,
  sha256Base64url,
} from '@arctos/core'
import type { Command } from 'commander'
import { operator, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, report, table } from '../terminal.ts'
import { registerClientSecret } from './client-secret.ts'
import { gather, storeCommand } from './options.ts'

interface ClientOptions extends RawOptions {
  readonly id?: string
  readonly name?: string
  readonly public?: boolean
  readonly grantType?: readonly string[]
  readonly redirectUri?: readonly string[]
  readonly scope?: readonly string[]
  readonly authMethod?: readonly string[]
  readonly profile?: string
  readonly jwk?: string
  readonly receivesEvents?: boolean
  readonly pushEndpoint?: readonly string[]
  readonly newSecret?: boolean
  readonly enable?: boolean
  readonly json?: boolean
}

export function registerClient(program: Command): void {
  const client = program.command('client').description('applications that get tokens')

  settingsOptions(storeCommand(client, 'create', 'register a client; a secret is shown once', ['environment']))
    .option('--id <ID>', 'its client_id; drawn when absent')
    .option('--public', 'a client without a secret: an app, a CLI')
    .action(async (options: ClientOptions) => {
      if (options.pushEndpoint !== undefined && !options.receivesEvents)
        throw new CommandError('--push-endpoint is for receivers of events: say --receives-events as well')
      const settings = checkSettings(newSettings(options))
      const { created, secret } = await withStore(
        options,
        async (store) => {
          const secret = needsSecret(settings) ? newSecret(store) : undefined
          const secretHash = secret && sha256Base64url(secret)
          return {
            secret,
            created: await store.createClient({ id: options.id, settings, secretHash, actor: operator }),
          }
        },
        { mayCreate: true },
      )
      if (created.outcome === 'id_taken')
        throw new CommandError(`${options.id} is the id of a client, resource or user already`)
      const lines = [
        `client_id      ${created.id}`,
        ...(secret === undefined ? [] : [`client_secret  ${secret}`, 'The secret is not shown again.']),
      ]
      report(options.json, { clientId: created.id, clientSecret: secret }, lines)
    })

  storeCommand(client, 'list', 'list clients').action(async (options: RawOptions) => {
    const clients = await withStore(options, (store) => store.listClients(undefined))
    const rows = clients.map((each) => [each.id, each.settings.name, shortGrantTypes(each), stateOf(each)])
    report(Boolean(options['json']), clients.map(shown), table(['client_id', 'name', 'grant types', 'state'], rows))
  })

  storeCommand(client, 'show', 'show one client')
    .argument('<id>')
    .action(async (id: string, options: RawOptions) => {
      const found = shown(await withStore(options, (store) => readClient(store, id)))
      report(
        Boolean(options['json']),
        found,
        Object.entries(found).map(([name, value]) => `${name.padEnd(22)}${format(value)}`),
      )
    })

  settingsOptions(storeCommand(client, 'update', 'change a client', ['environment']))
    .argument('<id>')
    .option('--new-secret', 'replace the secret; the former one stops working at once')
    .option('--enable', 'let a disabled client work again')
    .action(async (id: string, options: ClientOptions) => {
      const secret = await withStore(options, async (store) => {
        const secret = options.newSecret ? newSecret(store) : undefined
        const { settings } = await readClient(store, id)
        const changed = checkSettings({ ...settings, ...givenSettings(options) })
        const disabled = options.enable ? false : undefined
        await store.updateClient({
          id,
          settings: changed,
          secretHash: secret && sha256Base64url(secret),
          disabled,
          actor: operator,
        })
        return secret
      })
      report(options.json, { clientId: id, clientSecret: secret }, [
        `updated ${id}`,
        ...(secret === undefined ? [] : [`client_secret  ${secret}`]),
      ])
    })

  storeCommand(client, 'disable', 'stop a client and all of its tokens')
    .argument('<id>')
    .action(async (id: string, options: RawOptions) => {
      const changed = await withStore(options, (store) => store.updateClient({ id, disabled: true, actor: operator }))
      if (changed.outcome === 'unknown') throw new CommandError(`there is no client ${id}`)
      report(Boolean(options['json']), { clientId: id, disabled: true }, [`${id} is disabled`])
    })

  storeCommand(client, 'delete', 'delete a client and everything it was given')
    .argument('<id>')
    .action(async (id: string, options: RawOptions) => {
      const deleted = await withStore(options, (store) => store.deleteClient({ id, actor: operator }))
      if (deleted.outcome === 'unknown') throw new CommandError(`there is no client ${id}`)
      report(Boolean(options['json']), { clientId: id, deleted: true }, [`deleted ${id}`])
    })

  registerClientSecret(client)
}

function settingsOptions(command: Command): Command {
  return command
    .option('--name <NAME>', 'what users see')
    .option('--grant-type <TYPE>', 'authorization_code, client_credentials or device_code; repeatable', gather)
    .option('--redirect-uri <URI>', 'where codes may be sent; repeatable', gather)
    .option('--scope <WORD>', 'a scope that it may ask for; repeatable; without any, all', gather)
    .option('--auth-method <METHOD>', `${clientAuthenticationMethods.join(', ')}; repeatable`, gather)
    .option('--profile <PROFILE>', `${clientProfiles.join(', ')}`)
    .option('--jwk <FILE>', 'public key (JWK or JWK set) for private_key_jwt')
    .option('--receives-events', 'it may receive every security event (Shared Signals)')
    .option('--push-endpoint <URL>', 'where at or below events may be pushed to; repeatable', gather)
}

function newSettings(options: ClientOptions): unknown {
  const usual = options.public
    ? ['none']
    : options.jwk === undefined
      ? ['client_secret_basic', 'client_secret_post']
      : ['private_key_jwt']
  // Receiving events takes no grant type: the token for the feed comes with it.
  const forItself = options.receivesEvents ? [] : ['client_credentials']
  const grantTypes = options.public ? ['authorization_code'] : forItself
  const defaults = {
    name: options.name ?? options.id ?? 'unnamed client',
    authenticationMethods: usual,
    grantTypes,
    redirectUris: [],
  }
  return { ...defaults, ...givenSettings(options) }
}

function givenSettings(options: ClientOptions): object {
  const { name, grantType, redirectUri, scope, authMethod, profile, jwk, receivesEvents, pushEndpoint } = options
  return {
    ...(name === undefined ? {} : { name }),
    ...(grantType === undefined ? {} : { grantTypes: grantType.map(nameOfGrantType) }),
    ...(redirectUri === undefined ? {} : { redirectUris: redirectUri }),
    ...(scope === undefined ? {} : { scopes: scope }),
    ...(authMethod === undefined ? {} : { authenticationMethods: authMethod }),
    ...(profile === undefined ? {} : { profile }),
    ...(jwk === undefined ? {} : { keys: readKeys(jwk) }),
    ...(receivesEvents ? { receivesEvents: true } : {}),
    ...(pushEndpoint === undefined ? {} : { pushEndpoints: pushEndpoint }),
  }
}

/** What the longer names of grant types begin with on the wire; here the rest will do (RFC 8628 §3.4). */
const grantTypePrefix = 'urn:ietf:params:oauth:grant-type:'

function nameOfGrantType(type: string): string {
  return type === 'device_code' ? grantTypePrefix + type : type
}

function shortGrantTypes({ settings }: RegisteredClient): string {
  return settings.grantTypes.map((type) => type.replace(grantTypePrefix, '')).join(' ')
}

function readKeys(file: string): readonly JsonObject[] {
  const parsed = parseJsonObjectText(readFileSync(file, 'utf8'))
  const keys = Array.isArray(parsed?.['keys'])
    ? parsed['keys'].filter(isJsonObject)
    : parsed === undefined
      ? []
      : [parsed]
  if (keys.length === 0) throw new CommandError(`--jwk: ${file} holds no JWK`)
  for (const jwk of keys) {
    const result = importVerificationKey(jwk, 'client')
    if (!isVerificationKey(result)) throw new CommandError(`--jwk: a key of ${file} is not taken: ${result.why}`)
  }
  return keys
}

function checkSettings(settings: unknown): ClientSettings {
  const checked = clientSettings.safeParse(settings)
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw new CommandError(`${issue?.path.join('.') ?? 'settings'}: ${issue?.message ?? 'not allowed'}`)
  }
  const { authenticationMethods, grantTypes, keys } = checked.data
  if (authenticationMethods.includes('none') && grantTypes.includes('client_credentials'))
    throw new CommandError('client_credentials needs a confidential client')
  if (authenticationMethods.includes('private_key_jwt') && keys === undefined)
    throw new CommandError('private_key_jwt needs --jwk FILE')
  return checked.data
}

function needsSecret({ authenticationMethods }: ClientSettings): boolean {
  return authenticationMethods.some((method) => method === 'client_secret_basic' || method === 'client_secret_post')
}

function newSecret({ environment }: Pick<Store, 'environment'>): string {
  return formatOpaqueToken('clientSecret', randomBytes(32), environment).reveal()
}

async function readClient(store: Store, id: string): Promise<RegisteredClient> {
  const client = await store.readClient(id)
  if (client === undefined) throw new CommandError(`there is no client ${id}`)
  return client
}

function shown(client: RegisteredClient) {
  const { id, settings, createdAt } = client
  return { clientId: id, state: stateOf(client), created: iso(createdAt), ...settings }
}

function stateOf({ disabledAt }: RegisteredClient): string {
  return disabledAt === undefined ? 'active' : 'disabled'
}

function format(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
