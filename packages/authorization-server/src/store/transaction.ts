import type { SecretEnvironment } from '@arctos/core'

/**
 * A verb is a generator: it yields statements and is handed their rows. SQLite runs it straight through, PostgreSQL awaits each
 * answer, and the verb, with all that decides in it, is written once.
 */
export type Verb<Result> = Generator<Statement, Result, Answer>

export interface Statement {
  /** SQL that both engines understand, with `$1`, `$2` … */
  readonly text: string
  readonly values: readonly SqlValue[]
}

export type SqlValue = string | number | null

export interface Answer {
  readonly rows: readonly Row[]
  /** Rows changed by an INSERT, UPDATE or DELETE. */
  readonly changes: number
}

export type Row = Readonly<Record<string, SqlValue>>

/** What a verb may use besides its input. Everything that varies is in here, so that a verb can be run again. */
export interface Moment {
  /** The store's clock in epoch milliseconds; never earlier than any time it gave before. */
  readonly nowMs: number
  /** The same in whole epoch seconds. */
  readonly now: number
  /** Random bytes. */
  readonly random: (byteLength: number) => Buffer
  /** Where secrets are made. */
  readonly environment: SecretEnvironment
}

/** The same for a verb that changes or issues. */
export interface Transaction extends Moment {
  /**
   * Tokens issued before this time are dead, all of them (epoch seconds). Whoever raises it raises it here, too, for those that
   * come behind in the same transaction.
   */
  notBefore: number
  /** Something was taken back: whoever waits for that is called after the commit. */
  told?: boolean
}

/** Runs one statement inside a verb. */
export function* run(text: string, ...values: readonly SqlValue[]): Verb<Answer> {
  return yield { text, values }
}

/** The first row of a statement, or `undefined`. */
export function* first(text: string, ...values: readonly SqlValue[]): Verb<Row | undefined> {
  const answer = yield { text, values }
  return answer.rows[0]
}

/** A column that the schema says is text. */
export function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`)
  return value
}

/** A column that the schema says is a number. */
export function integer(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`)
  return value
}

/** A column of text that may be NULL. */
export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column)
}

/** A column of numbers that may be NULL. */
export function optionalInteger(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : integer(row, column)
}

/** A row that a verb must hold alone, or keep from changing, while it runs. SQLite has one writer and needs none of it. */
export interface Lock {
  readonly table:
    | 'issuer_state'
    | 'clients'
    | 'users'
    | 'grants'
    | 'codes'
    | 'device_codes'
    | 'leases'
    | 'attempts'
    | 'api_keys'
    | 'streams'
  readonly key: string
  /** The key is not a user's: it is that of this user's grant or code. */
  readonly owns?: 'grants' | 'codes'
  /** `share` keeps others from changing the row, `update` also from sharing it. */
  readonly mode: 'share' | 'update'
}

/** A verb that only looks, outside any transaction. */
export interface ReadVerb<Input, Result> {
  readonly kind: 'read'
  readonly run: (moment: Moment, input: Input) => Verb<Result>
}

/**
 * A verb that runs in the turn's transaction. Every verb that issues is one, also if it writes nothing: it must not run beside
 * a revocation.
 */
export interface ChangeVerb<Input, Result> {
  readonly kind: 'change'
  /** Rows to hold for the whole transaction. */
  readonly locks?: (input: Input) => readonly Lock[]
  /** Changes as many rows as there are of something: it runs by itself, and may take longer than a request may. */
  readonly bulk?: true
  /** Takes something back: where others hold its rows one after the other without a gap, they have to let it in between. */
  readonly urgent?: true
  readonly run: (transaction: Transaction, input: Input) => Verb<Result>
}

export type VerbDefinition<Input, Result> = ReadVerb<Input, Result> | ChangeVerb<Input, Result>

/** Types a verb where it is defined. */
export function defineVerb<Input, Result>(verb: ReadVerb<Input, Result>): ReadVerb<Input, Result>
export function defineVerb<Input, Result>(verb: ChangeVerb<Input, Result>): ChangeVerb<Input, Result>
export function defineVerb<Input, Result>(verb: VerbDefinition<Input, Result>): VerbDefinition<Input, Result> {
  return verb
}
