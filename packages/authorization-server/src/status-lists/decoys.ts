import { createPermutation, drawWords } from './permutation.ts'

/** Counters of the last part of a list are given to no token: so many, of all its counters. */
export const decoyShare = 1 / 16

const decoyName = 255

/**
 * The indexes, of those that no token has, which look taken back at this time. Their number grows through the life of a list at times
 * drawn from its key, so that whoever watches the list cannot tell when, or how often, something was taken back. The same on
 * every node. draft-ietf-oauth-status-list-21 §12.5.1
 *
 * @param life when the list was made and when it ends, and now (epoch seconds)
 */
export function decoysAt(
  key: Uint8Array,
  bits: number,
  life: { readonly madeAt: number; readonly expiresAt: number; readonly now: number },
): readonly number[] {
  const size = 2 ** bits
  const spare = size * decoyShare
  const drawn = drawWords(key, decoyName)
  const permute = createPermutation(key, bits)
  const count = Math.floor(size / 1_024) + (drawn() % Math.floor(size / 1_024))
  const elapsed = (life.now - life.madeAt) / (life.expiresAt - life.madeAt)
  const decoys: number[] = []
  for (let each = 0; each < count; each++) {
    const counter = size - 1 - ((drawn() * 2 ** 16 + drawn()) % spare)
    if (drawn() / 2 ** 16 < elapsed) decoys.push(permute(counter))
  }
  return decoys
}
