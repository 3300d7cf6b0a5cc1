import { displayName } from './display-name.ts'
import { type Html, html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'

export interface SignInPage {
  readonly action: string
  readonly proof: string
  /** The application that waits for the user, if one does. */
  readonly clientName: string | undefined
  readonly username: string
  /** What was wrong with the last try. */
  readonly problem: string | undefined
}

/** The login page. One sentence for everything that can be wrong with a user name and a password (RFC 6749 §10.10). */
export function signInPage({ action, proof, clientName, username, problem }: SignInPage): string {
  const purpose: Html =
    clientName === undefined
      ? html`<p class="soft">Use your account on this server.</p>`
      : html`<p class="soft">to continue to <strong><bdi>${displayName(clientName)}</bdi></strong></p>`
  const mark = problem !== undefined && html` aria-invalid="true" aria-describedby="problem"`
  const body = html`
<h1>Sign in</h1>
${purpose}
${problem !== undefined && html`<div class="notice bad" role="alert"><p id="problem">${problem}</p></div>`}
<form method="post" action="${action}">
${hiddenProof(proof)}
<label for="username">User name</label>
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="200" required${mark}${username === '' && html` autofocus`}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required${mark}${username !== '' && html` autofocus`}>
<div class="actions"><button type="submit">Sign in</button></div>
</form>`
  return renderPage({ title: 'Sign in', body })
}
