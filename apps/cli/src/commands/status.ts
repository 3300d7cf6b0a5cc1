import type { Command } from 'commander'
import { listProfiles } from '../sessions/profiles.ts'
import { readStatus, type SessionStatus } from '../sessions/session-status.ts'
import { report, table } from '../terminal.ts'

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('list the sessions of this machine: where each is kept, when it renews, why it is over')
    .option('--json', 'print JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const found: SessionStatus[] = []
      for (const place of listProfiles()) {
        const status = await readStatus(place)
        if (status !== undefined) found.push(status)
      }
      report(json, found, found.length === 0 ? ['nobody has logged in on this machine'] : linesOf(found))
    })
}

function linesOf(found: readonly SessionStatus[]): readonly string[] {
  const rows = found.map(({ name, state, clientId, issuer, remark }) => [name, state, clientId, issuer, remark])
  const kept = found.flatMap(({ name, store }) => (store === undefined ? [] : [`${name} is kept in ${store}`]))
  return [...table(['name', 'session', 'client', 'issuer', ''], rows), ...kept]
}
