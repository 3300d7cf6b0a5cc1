import {
  first,
  integer,
  optionalInteger,
  optionalText,
  type Row,
  type Transaction,
  text,
  type Verb,
} from '../transaction.ts'
import { words } from './grants.ts'

/** A device that asks for access, as its row has it. */
export interface Device {
  readonly deviceCodeHash: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly resourceKeys: readonly string[]
  readonly askedFrom: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly intervalSeconds: number
  readonly polledMs: number | undefined
  readonly decision: 'approved' | 'denied' | undefined
  readonly userId: string | undefined
  readonly authenticatedAt: number | undefined
  readonly acr: string | undefined
  readonly decidedAt: number | undefined
  readonly spentAt: number | undefined
}

const columns =
  'hash, client_id, scope, resources, asked_from, issued_at, expires_at, interval_seconds, polled_ms, decision, user_id, authenticated_at, acr, decided_at, spent_at'

function deviceOfRow(row: Row): Device {
  const decision = optionalText(row, 'decision')
  return {
    deviceCodeHash: text(row, 'hash'),
    clientId: text(row, 'client_id'),
    scopes: words(text(row, 'scope')),
    resourceKeys: words(text(row, 'resources')),
    askedFrom: text(row, 'asked_from'),
    issuedAt: integer(row, 'issued_at'),
    expiresAt: integer(row, 'expires_at'),
    intervalSeconds: integer(row, 'interval_seconds'),
    polledMs: optionalInteger(row, 'polled_ms'),
    decision: decision === 'approved' || decision === 'denied' ? decision : undefined,
    userId: optionalText(row, 'user_id'),
    authenticatedAt: optionalInteger(row, 'authenticated_at'),
    acr: optionalText(row, 'acr'),
    decidedAt: optionalInteger(row, 'decided_at'),
    spentAt: optionalInteger(row, 'spent_at'),
  }
}

/** The device of one of its two codes, by the hash of that code. */
export function* findDevice(by: 'hash' | 'user_code_hash', hash: string): Verb<Device | undefined> {
  const row = yield* first(`SELECT ${columns} FROM device_codes WHERE ${by} = $1`, hash)
  return row && deviceOfRow(row)
}

/** Whether its user can still decide. */
export function isWaiting({ now }: Transaction, { decision, spentAt, expiresAt }: Device): boolean {
  return decision === undefined && spentAt === undefined && expiresAt > now
}
