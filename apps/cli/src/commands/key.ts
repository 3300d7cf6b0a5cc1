import { createRandom, openKeyRing } from '@arctos/authorization-server'
import { isJsonObject, parseJsonObjectText } from '@arctos/core'
import type { Command } from 'commander'
import { generateKey, openAnyKey } from '../key-file.ts'
import { operator, placeOf, type RawOptions, withStore } from '../open.ts'
import { print, report, table } from '../terminal.ts'
import { storeCommand } from './options.ts'
import { iso } from './user.ts'

export function registerKey(program: Command): void {
  const key = program.command('key').description('keys of the server')

  key
    .command('generate')
    .description('print a new key-encryption key, for a file of mode 0600')
    .action(() => print(generateKey()))

  storeCommand(key, 'list', 'list keys; nothing secret is shown').action(async (options: RawOptions) => {
    const keys = await withStore(options, (store) => store.listKeys(undefined))
    const shown = keys.map(({ id, purpose, algorithm, createdAt, activeAt, retiredAt, publicJwk }) => {
      const jwk = publicJwk === undefined ? undefined : parseJsonObjectText(publicJwk)
      return { id, purpose, algorithm, createdAt, activeAt, retiredAt, publicJwk: isJsonObject(jwk) ? jwk : undefined }
    })
    const rows = shown.map((each) => [
      each.id,
      each.purpose,
      each.algorithm,
      iso(each.activeAt),
      each.retiredAt === undefined ? '' : iso(each.retiredAt),
    ])
    report(Boolean(options['json']), shown, table(['id', 'purpose', 'algorithm', 'active', 'retired'], rows))
  })

  storeCommand(key, 'rotate', 'add a signing key; it signs two minutes later, when every guard has seen it', [
    'keyFile',
    'signingAlgorithm',
    'issuer',
  ])
    .option('--now', 'sign with it at once: guards that have not seen it fetch it then')
    .action(async (options: RawOptions) => {
      const kid = await withStore(options, async (store, configuration) => {
        const ring = await openKeyRing({
          store,
          issuer: configuration.issuer ?? '',
          kek: openAnyKey(configuration, placeOf(configuration).dataDir),
          signingAlgorithm: configuration.signingAlgorithm ?? 'ES256',
          random: createRandom(),
          now: Date.now,
        })
        return await ring.rotate({ immediately: options['now'] === true, actor: operator })
      })
      report(Boolean(options['json']), { kid }, [`added signing key ${kid}`])
    })
}
