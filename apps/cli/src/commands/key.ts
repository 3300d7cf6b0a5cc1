import { createRandom, rotateEventKey, rotateSigningKey } from '@arctos/authorization-server'
import { isJsonObject, parseJsonObjectText } from '@arctos/core'
import type { Command } from 'commander'
import { generateKey, openAnyKey } from '../key-file.ts'
import { operator, placeOf, type RawOptions, withStore } from '../open.ts'
import { CommandError, iso, print, report, table } from '../terminal.ts'
import { storeCommand } from './options.ts'

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
  ])
    .option('--now', 'sign with it at once: guards that have not seen it fetch it then')
    .option('--events', 'a key for security events (RS256) instead of tokens')
    .action(async (options: RawOptions) => {
      const rotated = await withStore(options, async (store, configuration) => {
        const kek = openAnyKey(configuration, placeOf(configuration).dataDir)
        const rotation = {
          algorithm: configuration.signingAlgorithm,
          immediately: options['now'] === true,
          actor: operator,
        }
        const making = { store, kek, random: createRandom() }
        if (options['events'] === true)
          return { outcome: 'added', kid: await rotateEventKey(making, rotation) } as const
        return await rotateSigningKey(making, rotation)
      })
      if (rotated.outcome === 'ambiguous')
        throw new CommandError(
          `keys of several algorithms sign (${rotated.algorithms.join(', ')}); give --signing-algorithm`,
        )
      report(Boolean(options['json']), { kid: rotated.kid }, [`added signing key ${rotated.kid}`])
    })

  storeCommand(key, 'retire', 'withdraw a signing key or shared secret at once: tokens that it signed are dead')
    .argument('<kid>', 'its id, as in: arctos key list')
    .action(async (kid: string, options: RawOptions) => {
      const { outcome } = await withStore(options, (store) => store.retireKey({ id: kid, actor: operator }))
      if (outcome === 'unknown') throw new CommandError(`there is no signing key ${kid} that is in use`)
      if (outcome === 'last') throw new CommandError('no other key signs yet; add one first: arctos key rotate --now')
      report(Boolean(options['json']), { kid }, [`retired signing key ${kid}`])
    })
}
