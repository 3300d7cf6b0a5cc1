import { type AuditRecord, findBreak, type Store } from '@arctos/authorization-server'
import type { Command } from 'commander'
import { type RawOptions, withStore } from '../open.ts'
import { CommandError, print, report } from '../terminal.ts'
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
  storeCommand(audit, 'list', 'print the records, oldest first; with --json an object a line')
    .option('--after <N>', 'only those with a higher number', '0')
    .action(async (options: RawOptions) => {
      const after = Number(options['after'])
      if (!Number.isSafeInteger(after) || after < 0)
        throw new CommandError(`--after: ${options['after']} is not allowed; it must be the number of a record, or 0`)
      await withStore(options, (store) => list(store, after, options['json'] ? formatJson : formatRecord))
    })
}

async function list(store: Store, after: number, format: (record: AuditRecord) => string): Promise<void> {
  await numberAll(store)
  for (let last = after; ; ) {
    const records = await store.readAudit({ after: last, limit: page })
    const end = records.at(-1)
    if (end === undefined) return
    for (const record of records) print(format(record))
    last = end.seq
  }
}

function formatJson(record: AuditRecord): string {
  return JSON.stringify({ ...record, facts: JSON.parse(record.facts) })
}

/** Names and sources are what others wrote: they must not draw on the terminal. */
function formatRecord({ seq, atMs, kind, actor, facts }: AuditRecord): string {
  return `${seq}  ${new Date(atMs).toISOString()}  ${kind}  ${actor}  ${facts}`.replace(/\p{C}/gu, '?')
}

async function numberAll(store: Store): Promise<void> {
  while ((await store.numberAudit(page)).numbered === page);
}

async function verify(store: Store): Promise<{ readonly records: number; readonly broken: AuditRecord | undefined }> {
  await numberAll(store)
  let head = { seq: 0, hash: '' }
  for (;;) {
    const records = await store.readAudit({ after: head.seq, limit: page })
    const broken = findBreak(records, head)
    const last = records.at(-1)
    if (broken !== undefined || last === undefined) return { records: head.seq, broken }
    head = last
  }
}
