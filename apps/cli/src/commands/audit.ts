import { type AuditRecord, findBreak, type Store } from '@arctos/authorization-server'
import type { Command } from 'commander'
import { type RawOptions, withStore } from '../open.ts'
import { report } from '../terminal.ts'
import { storeCommand } from './options.ts'

const page = 1_000

export function registerAudit(program: Command): void {
  const audit = program.command('audit').description('the log of every change of state')
  storeCommand(audit, 'verify', 'check that the log is whole').action(async (options: RawOptions) => {
    const { records, broken } = await withStore(options, verify)
    if (broken !== undefined) process.exitCode = 1
    const line =
      broken === undefined
        ? `${records} records, none missing or altered`
        : `record ${broken.seq} (${broken.id}, ${broken.kind}) does not fit`
    report(Boolean(options['json']), { records, ok: broken === undefined, firstBroken: broken?.seq }, [line])
  })
}

async function verify(store: Store): Promise<{ readonly records: number; readonly broken: AuditRecord | undefined }> {
  while ((await store.numberAudit(page)).numbered === page);
  let head = { seq: 0, hash: '' }
  for (;;) {
    const records = await store.readAudit({ after: head.seq, limit: page })
    const broken = findBreak(records, head)
    const last = records.at(-1)
    if (broken !== undefined || last === undefined) return { records: head.seq, broken }
    head = last
  }
}
