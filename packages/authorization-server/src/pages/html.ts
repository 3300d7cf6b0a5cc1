/** Text that is HTML already. Only {@link html} makes it, so that nothing reaches a page unescaped. */
export interface Html {
  readonly markup: string
}

type Value = string | number | Html | readonly Html[] | undefined | false

/** A template whose values are escaped, wherever they stand; `undefined` and `false` leave nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Value[]): Html {
  let markup = texts[0] ?? ''
  for (const [index, value] of values.entries()) markup += toMarkup(value) + (texts[index + 1] ?? '')
  return { markup }
}

/** Markup of our own making that holds `<` and `&` on purpose, as a style sheet does. */
export function trustedMarkup(markup: string): Html {
  return { markup }
}

function toMarkup(value: Value): string {
  if (value === undefined || value === false) return ''
  if (typeof value === 'string') return escapeText(value)
  if (typeof value === 'number') return String(value)
  return 'markup' in value ? value.markup : value.map((each) => each.markup).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

function escapeText(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => entities[character] ?? '')
}

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
