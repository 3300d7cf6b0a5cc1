// Vectors that contradict a specification or one another. They are shown with the reason, and decide nothing.
import type { Vector } from './vector.ts'

interface Contradiction {
  readonly source: string
  readonly id: string
  /** The vector's own title, so that a number that has moved to another vector excuses nothing. */
  readonly title: string
  readonly reason: string
}

const source = 'json_web_signature_test.json'
const otherAlgorithm = 'valid, with PS384 in the header under a key for PS256: RFC 7517 §4.4'
const noAlgorithm = 'valid, under a key for ES521, which is no algorithm: RFC 7518 §3.1 has ES512'
const sameText = 'invalid, though letter for letter the valid tcId 357'
const strayCharacter = 'valid, with a question mark inside base64url: RFC 7515 §2'

const contradictions: readonly Contradiction[] = [
  { source, id: 'tcId 346', title: 'rfc7520: Figure20', reason: otherAlgorithm },
  { source, id: 'tcId 347', title: 'rfc7520: Figure27', reason: noAlgorithm },
  { source, id: 'tcId 350', title: 'rfc7520WithKeyOps: Figure20', reason: otherAlgorithm },
  { source, id: 'tcId 351', title: 'rfc7520WithKeyOps: Figure27', reason: noAlgorithm },
  { source, id: 'tcId 367', title: 'base64: invalidBase64Padding', reason: sameText },
  { source, id: 'tcId 370', title: 'base64: invalidBase64PaddingInPayload', reason: sameText },
  { source, id: 'tcId 372', title: 'base64: InvalidCharacterInsertedInHeader', reason: strayCharacter },
  { source, id: 'tcId 373', title: 'base64: InvalidCharacterInsertedInPayload', reason: strayCharacter },
]

/** Why this vector cannot be right, or `undefined`. */
export function contradictionOf(sourceName: string, { id, title }: Vector): string | undefined {
  return contradictions.find((each) => each.source === sourceName && each.id === id && each.title === title)?.reason
}
