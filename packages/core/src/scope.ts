import { Refusal } from './refusal.ts'

const scopeWord = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const wordLimit = 100
const lengthLimit = 2_000
const comparisonLimit = 256

/**
 * Reads a `scope` parameter: words separated by single spaces, order and repetition without meaning. Returns the words in the
 * order they came, each once. Throws `scope.malformed` (RFC 6749 §3.3).
 */
export function parseScope(text: string): readonly string[] {
  if (text.length > lengthLimit)
    throw new Refusal('scope.malformed', { check: 'length', expected: lengthLimit, received: text.length })
  const words = text.split(' ')
  if (words.length > wordLimit)
    throw new Refusal('scope.malformed', { check: 'words', expected: wordLimit, received: words.length })
  if (!words.every((word) => scopeWord.test(word))) throw new Refusal('scope.malformed', { check: 'characters' })
  return words.length === 1 ? words : [...new Set(words)]
}

/** Whether a text can be one scope word. */
export function isScopeWord(text: string): boolean {
  return scopeWord.test(text)
}

/** Writes scope words as the parameter (RFC 6749 §3.3). */
export function formatScope(words: readonly string[]): string {
  return words.join(' ')
}

/** The words of `wanted` that `held` lacks. */
export function missingScopes(wanted: readonly string[], held: readonly string[]): readonly string[] {
  // Nearly every request wants one or two words, where looping beats building a set; a thousand times a thousand does not.
  if (wanted.length * held.length <= comparisonLimit) return wanted.filter((word) => !held.includes(word))
  const words = new Set(held)
  return wanted.filter((word) => !words.has(word))
}
