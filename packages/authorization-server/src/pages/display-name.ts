/** What turns the direction of a line, joins or hides characters, or is none: it could make one name look like another. */
const deceptive =
  /[\p{Cc}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu
const stacked = /(\p{M}{3})\p{M}+/gu

/** A name that somebody else chose, as it may stand on a page of ours: one line, no tricks, not too long. */
export function displayName(text: string, lengthLimit = 80): string {
  const calm = text.replace(deceptive, '\ufffd').replace(stacked, '$1').replace(/\s+/g, ' ').trim()
  const characters = [...calm]
  return characters.length <= lengthLimit ? calm : `${characters.slice(0, lengthLimit - 1).join('')}…`
}
