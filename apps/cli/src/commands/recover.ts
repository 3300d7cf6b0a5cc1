import type { Command } from 'commander'
import { operator, type RawOptions, withStore } from '../open.ts'
import { CommandError, report } from '../terminal.ts'
import { storeCommand } from './options.ts'

export function registerRecover(program: Command): void {
  storeCommand(
    program,
    'recover',
    'after a restore or a lossy failover: end all that may have been spent or revoked meanwhile',
  )
    .option('--lost-window', 'yes, commits were lost: every grant and token is ended')
    .action(async (options: RawOptions) => {
      if (options['lostWindow'] !== true)
        throw new CommandError('this ends every grant and token; say --lost-window if commits were lost')
      const recovered = await withStore(options, (store) => store.recoverLostWindow({ actor: operator }))
      report(Boolean(options['json']), recovered, [
        `ended ${recovered.grants} grants and every access token; epoch ${recovered.epoch}`,
      ])
    })
}
