import type { Moment } from './transaction.ts'

/** An id of 96 random bits, 16 characters. */
export function newId({ random }: Pick<Moment, 'random'>): string {
  return random(12).toString('base64url')
}

/** A number for a new version of a row, drawn so that no two rows or stores ever share one. */
export function newVersion({ random }: Pick<Moment, 'random'>): number {
  return random(6).readUIntBE(0, 6)
}
