import { openStore } from '@arctos/authorization-server'
import type { Command } from 'commander'
import { configurationOf, placeOf, type RawOptions } from '../open.ts'
import { report } from '../terminal.ts'
import { storeCommand } from './options.ts'

export function registerMigrate(program: Command): void {
  storeCommand(program, 'migrate', 'bring the schema of the database up to date').action(
    async (options: RawOptions) => {
      const configuration = configurationOf(options)
      const store = await openStore({ database: placeOf(configuration).database })
      try {
        const applied = await store.migrate()
        const lines = applied.length === 0 ? ['the schema is up to date'] : applied.map((name) => `applied ${name}`)
        report(Boolean(options['json']), { applied }, lines)
      } finally {
        await store.close()
      }
    },
  )
}
