import { html } from './html.ts'
import { renderPage } from './layout.ts'

export interface ErrorPage {
  readonly status: number
  readonly sentence: string
  readonly receipt: string
}

/** Tells the user what went wrong, in the row's fixed sentence, and the operator how to find out more. */
export function errorPage({ status, sentence, receipt }: ErrorPage): string {
  const title = titleOf(status)
  const body = html`
<h1>${title}</h1>
<p role="alert">${sentence}</p>
<p class="soft small">${status < 500 ? 'If an application sent you here, tell its makers.' : 'Nothing was changed. Try again in a moment.'} Whoever runs this server can look the details up by this receipt:</p>
<p class="receipt"><code>${receipt}</code></p>`
  return renderPage({ title, body })
}

function titleOf(status: number): string {
  if (status === 403) return 'That was not accepted'
  if (status === 404) return 'Nothing here'
  if (status === 429) return 'Too many attempts'
  return status < 500 ? 'This request cannot go on' : 'The server could not answer'
}
