import { randomBytes } from 'node:crypto'
import { formatOpaqueToken, sha256Base64url } from '@arctos/core'
import type { Command } from 'commander'
import { readDuration } from '../duration.ts'
import { operator, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, report, table } from '../terminal.ts'
import { storeCommand } from './options.ts'

interface SecretOptions extends RawOptions {
  readonly expires?: string
  readonly overlap?: string
  readonly json?: boolean
}

/** Secrets of a client, of which two may work at a time. */
export function registerClientSecret(client: Command): void {
  const secret = client.command('secret').description('secrets of a client: two may work at a time')

  storeCommand(secret, 'add', 'add a secret beside the one that there is; it is shown once', ['environment'])
    .argument('<id>', 'the client')
    .option('--expires <TIME>', 'how long it works, such as 180d; without it: until it is removed')
    .option('--overlap <TIME>', 'how long the former one goes on working, such as 24h; without it: until it is removed')
    .action(addSecret)

  storeCommand(secret, 'list', 'list the secrets of a client by their marks, with their last use')
    .argument('<id>', 'the client')
    .action(async (id: string, options: SecretOptions) => {
      const secrets = await withStore(options, (store) => store.listClientSecrets(id))
      if (secrets === undefined) throw new CommandError(`there is no client ${id}`)
      const found = secrets.map(({ mark, madeAt, expiresAt, lastUsedAt }) => ({ mark, madeAt, expiresAt, lastUsedAt }))
      const rows = found.map((each) => [each.mark, iso(each.madeAt), orNever(each.expiresAt), orNever(each.lastUsedAt)])
      report(options.json, found, table(['mark', 'made', 'expires', 'last used'], rows))
    })

  storeCommand(secret, 'remove', 'take a secret from a client; it proves nothing from now on')
    .argument('<id>', 'the client')
    .argument('<mark>', 'as `arctos client secret list` has it')
    .action(async (id: string, mark: string, options: SecretOptions) => {
      const removed = await withStore(options, (store) =>
        store.removeClientSecret({ clientId: id, mark, actor: operator }),
      )
      if (removed.outcome !== 'removed') throw new CommandError(`there is no client ${id} with a secret ${mark}`)
      const left = removed.secrets.length
      report(options.json, { clientId: id, removed: mark, left }, [
        `removed the secret ${mark}`,
        ...(left === 0 ? ['It was the last one: the client cannot authenticate until it gets another.'] : []),
      ])
    })
}

async function addSecret(id: string, options: SecretOptions): Promise<void> {
  const lifetimeSeconds = options.expires === undefined ? undefined : readDuration('expires', options.expires)
  const overlapSeconds = options.overlap === undefined ? undefined : readDuration('overlap', options.overlap)
  const { added, secret } = await withStore(options, async (store) => {
    const secret = formatOpaqueToken('clientSecret', randomBytes(32), store.environment).reveal()
    const order = { clientId: id, hash: sha256Base64url(secret), lifetimeSeconds, overlapSeconds, actor: operator }
    return { secret, added: await store.addClientSecret(order) }
  })
  switch (added.outcome) {
    case 'added':
      return report(options.json, { clientId: id, clientSecret: secret }, [
        `client_secret  ${secret}`,
        'The secret is not shown again.',
      ])
    case 'unknown':
      throw new CommandError(`there is no client ${id}`)
    case 'no_method':
      throw new CommandError(`${id} proves itself in another way than by a secret`)
    case 'full':
      throw new CommandError(`two secrets of ${id} work already; remove one: arctos client secret remove ${id} MARK`)
  }
}

function orNever(at: number | undefined): string {
  return at === undefined ? 'never' : iso(at)
}
