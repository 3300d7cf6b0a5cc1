import {
  type CreateApiKeyOutcome,
  createRandom,
  type KeyOwner,
  type ListedApiKey,
  makeKeySecret,
  type Store,
  shortestKeySeconds,
} from '@arctos/authorization-server'
import { resourceKey } from '@arctos/core'
import type { Command } from 'commander'
import { readDuration, readLifetime } from '../duration.ts'
import { operator, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, report, table } from '../terminal.ts'
import { gather, storeCommand } from './options.ts'

interface KeyOptions extends RawOptions {
  readonly client?: string
  readonly user?: string
  readonly resource: string
  readonly scope?: readonly string[]
  readonly name: string
  readonly expires: string
  readonly overlap?: string
  readonly json?: boolean
}

const usualLifetime = '90d'

/** API keys of services, and personal access tokens of users. */
export function registerApiKey(program: Command): void {
  const key = program.command('api-key').description('API keys of services, and personal access tokens of users')

  lifeOption(creation(storeCommand(key, 'create', 'make a key for one API; its secret is shown once', ['environment'])))
    .option('--client <ID>', 'the service whose key it is')
    .option('--user <NAME>', 'the user whose personal access token it is')
    .action((options: KeyOptions) => createKey(options, (store) => ownerOf(store, options)))

  storeCommand(key, 'list', 'list keys, with their last use')
    .option('--client <ID>', 'those of one service')
    .option('--user <NAME>', 'those of one user')
    .action((options: KeyOptions) => listKeys(options, (store) => ownerOrAll(store, options)))

  storeCommand(key, 'show', 'show one key and its secrets, of which only marks are known')
    .argument('<id>')
    .action(async (id: string, options: KeyOptions) => {
      const found = await withStore(options, (store) => readKey(store, id))
      report(options.json, found, linesOf(found))
    })

  lifeOption(storeCommand(key, 'rotate', 'add a second secret to a key; it is shown once', ['environment']))
    .argument('<id>')
    .option(
      '--overlap <TIME>',
      'how long the former secret goes on working, such as 24h; without it: until it is removed',
    )
    .action(rotateKey)

  storeCommand(key, 'remove-secret', 'take one of two secrets from a key')
    .argument('<id>')
    .argument('<mark>', 'as `arctos api-key show` has it')
    .action(async (id: string, mark: string, options: KeyOptions) => {
      const { outcome } = await withStore(options, (store) =>
        store.removeApiKeySecret({ keyId: id, mark, actor: operator }),
      )
      if (outcome === 'unknown') throw new CommandError(`there is no key ${id} with a secret ${mark}`)
      if (outcome === 'last')
        throw new CommandError(`it is the last secret of the key; to end the key: arctos api-key revoke ${id}`)
      report(options.json, { id, removed: mark }, [`removed the secret ${mark}`])
    })

  storeCommand(key, 'revoke', 'end a key and everything that was given for it, at once')
    .argument('<id>')
    .action(revokeKey)
}

/** The same for the keys of one user: `arctos user token …`. */
export function registerUserToken(user: Command): void {
  const token = user.command('token').description('personal access tokens of an account')
  lifeOption(creation(storeCommand(token, 'create', 'make a personal access token; it is shown once', ['environment'])))
    .argument('<username>')
    .action((name: string, options: KeyOptions) => createKey(options, (store) => userOf(store, name)))
  storeCommand(token, 'list', 'list the personal access tokens of an account')
    .argument('<username>')
    .action((name: string, options: KeyOptions) => listKeys(options, (store) => userOf(store, name)))
  storeCommand(token, 'revoke', 'end a personal access token, at once').argument('<id>').action(revokeKey)
}

function creation(command: Command): Command {
  return command
    .requiredOption('--resource <URL>', 'the API that it is for')
    .requiredOption('--name <TEXT>', 'what it is used for, so that somebody dares to end it')
    .option('--scope <WORD>', 'what it may do there; repeatable', gather)
}

function lifeOption(command: Command): Command {
  return command.option('--expires <TIME>', 'how long it lives, such as 90d; or never', usualLifetime)
}

type FindOwner<Owner> = (store: Store) => Promise<Owner>

async function createKey(options: KeyOptions, findOwner: FindOwner<KeyOwner>): Promise<void> {
  const lifetimeSeconds = readLifetime('expires', options.expires, shortestKeySeconds)
  const name = options.name.trim()
  if (name === '' || name.length > 200) throw new CommandError('--name: it must have 1 to 200 characters')
  const scopes = (options.scope ?? []).flatMap((words) => words.split(' ').filter(Boolean))
  const { created, secret } = await withStore(options, async (store) => {
    const owner = await findOwner(store)
    const kind = owner.kind === 'user' ? 'personalAccessToken' : 'apiKey'
    const made = makeKeySecret(kind, createRandom(), store.environment)
    const wish = { owner, name, scopes, lifetimeSeconds, resourceKey: resourceKey(options.resource) }
    return {
      created: await store.createApiKey({ ...wish, secretHash: made.hash, actor: operator }),
      secret: made.secret.reveal(),
    }
  })
  if (created.outcome !== 'created') throw new CommandError(whyNot(created, options))
  const { id, expiresAt } = created
  report(options.json, { id, key: secret, expiresAt }, [
    `key id   ${id}`,
    `key      ${secret}`,
    `expires  ${orNever(expiresAt)}`,
    'The key is not shown again.',
  ])
}

function whyNot(refused: Exclude<CreateApiKeyOutcome, { outcome: 'created' }>, { resource }: KeyOptions): string {
  switch (refused.outcome) {
    case 'owner_unknown':
      return 'there is no such client or user, or it is disabled'
    case 'owner_not_allowed':
      return 'it can have no keys: it is the credential of an API, or personal access tokens are switched off'
    case 'resource_unknown':
      return `there is no resource ${resource}; arctos resource list shows them`
    case 'scope_missing':
      return `--scope: say what the key may do; arctos resource show ${resource} lists it`
    case 'scope_not_allowed':
      return `--scope: ${refused.scope} is no scope of ${resource}, or its owner may not have it`
    case 'too_many':
      return 'its owner has a hundred live keys; revoke some first'
  }
}

async function listKeys(options: KeyOptions, findOwner: FindOwner<KeyOwner | undefined>): Promise<void> {
  const keys = await withStore(options, async (store) => store.listApiKeys(await findOwner(store)))
  const rows = keys.map((key) => [
    key.id,
    key.name.replace(/[^\x20-\x7e]/g, '?'),
    key.username ?? key.clientId,
    key.resourceKey,
    key.scopes.join(' '),
    orNever(key.expiresAt),
    orNever(key.lastUsedAt),
    key.state,
  ])
  const header = ['id', 'name', 'of', 'resource', 'scopes', 'expires', 'last used', 'state']
  report(options.json, keys, table(header, rows))
}

async function rotateKey(id: string, options: KeyOptions): Promise<void> {
  const lifetimeSeconds = readLifetime('expires', options.expires, shortestKeySeconds)
  const overlapSeconds = options.overlap === undefined ? undefined : readDuration('overlap', options.overlap)
  const { rotated, secret } = await withStore(options, async (store) => {
    const found = await readKey(store, id)
    const kind = found.userId === undefined ? 'apiKey' : 'personalAccessToken'
    const made = makeKeySecret(kind, createRandom(), store.environment)
    const order = { keyId: id, secretHash: made.hash, lifetimeSeconds, overlapSeconds, actor: operator }
    return { rotated: await store.rotateApiKey(order), secret: made.secret.reveal() }
  })
  switch (rotated.outcome) {
    case 'rotated':
      return report(options.json, { id, key: secret, expiresAt: rotated.expiresAt }, [
        `key id   ${id}`,
        `key      ${secret}`,
        `expires  ${orNever(rotated.expiresAt)}`,
        'The former secret still works; see arctos api-key show. The new one is not shown again.',
      ])
    case 'unknown':
    case 'not_live':
      throw new CommandError(`${id} has ended or expired, or its owner is disabled; make a new key`)
    case 'full':
      throw new CommandError(`two secrets of ${id} work already; remove one: arctos api-key remove-secret ${id} MARK`)
  }
}

async function readKey(store: Store, id: string): Promise<ListedApiKey> {
  const [found] = await store.listApiKeys({ kind: 'key', keyId: id })
  if (found === undefined) throw new CommandError(`there is no key ${id}`)
  return found
}

async function revokeKey(id: string, options: KeyOptions): Promise<void> {
  const { outcome } = await withStore(options, (store) => store.endApiKey({ keyId: id, actor: operator }))
  if (outcome === 'unknown') throw new CommandError(`there is no live key ${id}`)
  report(options.json, { id, revoked: true }, [`${id} is revoked`])
}

async function ownerOf(store: Store, options: KeyOptions): Promise<KeyOwner> {
  const owner = await ownerOrAll(store, options)
  if (owner === undefined) throw new CommandError('say whose key it is: --client ID or --user NAME')
  return owner
}

async function ownerOrAll(store: Store, { client, user }: KeyOptions): Promise<KeyOwner | undefined> {
  if (client !== undefined && user !== undefined) throw new CommandError('--client and --user: a key has one owner')
  if (user !== undefined) return await userOf(store, user)
  return client === undefined ? undefined : { kind: 'client', clientId: client }
}

async function userOf(store: Store, username: string): Promise<KeyOwner> {
  const user = await store.readUserByName(username)
  if (user === undefined) throw new CommandError(`there is no user ${username}`)
  return { kind: 'user', userId: user.id }
}

function linesOf(key: ListedApiKey): readonly string[] {
  return [
    key.id,
    `name       ${key.name.replace(/[^\x20-\x7e]/g, '?')}`,
    `of         ${key.username === undefined ? `client ${key.clientId}` : `user ${key.username}`}`,
    `resource   ${key.resourceKey}`,
    `scopes     ${key.scopes.join(' ')}`,
    `state      ${key.state}`,
    `made       ${iso(key.issuedAt)}`,
    `expires    ${orNever(key.expiresAt)}`,
    `last used  ${orNever(key.lastUsedAt)}`,
    'secrets',
    ...key.secrets.map(
      ({ mark, madeAt, expiresAt, lastUsedAt }) =>
        `  ${mark}  made ${iso(madeAt)}  expires ${expiresAt === undefined ? 'with the key' : iso(expiresAt)}  last used ${orNever(lastUsedAt)}`,
    ),
  ]
}

/** A time, or that there is none: of an end, or of a use. */
function orNever(at: number | undefined): string {
  return at === undefined ? 'never' : iso(at)
}
