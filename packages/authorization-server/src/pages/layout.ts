import { type Html, html, trustedMarkup } from './html.ts'
import { style } from './style.ts'

// The Great Bear, as seven stars.
const stars = [
  [3, 6],
  [14, 4],
  [23, 10],
  [33, 14],
  [37, 26],
  [53, 27],
  [57, 14],
] as const

const constellation = html`<svg viewBox="0 0 60 32" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.5"><path d="M3 6 14 4 23 10 33 14 37 26 53 27 57 14 33 14"/>${stars.map(([x, y]) => html`<circle cx="${x}" cy="${y}" r="3.2" fill="currentColor" stroke="none"/>`)}</svg>`

// Without one, browsers ask for a favicon that is not there.
const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%231d5b8f'/%3E%3Cpath d='M8 2.5 9.4 6.6 13.5 8 9.4 9.4 8 13.5 6.6 9.4 2.5 8 6.6 6.6Z' fill='white'/%3E%3C/svg%3E"

export interface PageParts {
  readonly title: string
  readonly body: Html
  /** For pages with lists. */
  readonly wide?: boolean
}

/** A whole page. */
export function renderPage({ title, body, wide = false }: PageParts): string {
  return `<!doctype html>${html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${title} · Arctos</title>
<link rel="icon" href="${icon}">
<style>${trustedMarkup(style)}</style>
</head>
<body>
<header class="brand">${constellation}<span>Arctos</span></header>
<main${wide && html` class="wide"`}>${body}</main>
</body>
</html>
`.toString()}`
}

/** What a form of ours always carries: the proof that it comes from this page, in this browser. */
export function hiddenProof(proof: string): Html {
  return html`<input type="hidden" name="form" value="${proof}">`
}
