import { raw, html as template } from 'hono/html'

/** Text that is HTML already, so that it is not escaped again. */
export type Html = ReturnType<typeof raw>

type Value = string | number | Html | readonly Html[] | undefined | false

/** A template whose values are escaped, wherever they stand; `undefined` and `false` leave nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Value[]): Html {
  // The template gives a promise only where a value is one, and none can be.
  return template(texts, ...values) as Html
}

/** Markup of our own making that holds `<` and `&` on purpose, as a style sheet does. */
export const trustedMarkup = raw
