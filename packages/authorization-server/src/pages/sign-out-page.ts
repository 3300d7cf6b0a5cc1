import { html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'

export interface SignOutPage {
  readonly base: string
  readonly username: string
  readonly proof: string
}

/** Asks before it signs out: a link on another site must not do it. */
export function signOutPage({ base, username, proof }: SignOutPage): string {
  const body = html`
<h1>Sign out?</h1>
<p class="soft">You are signed in as <strong><bdi>${username}</bdi></strong>. Applications that you gave access keep it.</p>
<form method="post" action="${base}/sign-out">
${hiddenProof(proof)}
<div class="actions"><button type="submit">Sign out</button></div>
</form>
<p class="small"><a href="${base}/account">Back to your account</a></p>`
  return renderPage({ title: 'Sign out', body })
}

/** What a browser sees in which nobody is signed in, or no longer. */
export function signedOutPage(base: string): string {
  const body = html`
<h1>You are signed out</h1>
<p class="soft">Nobody is signed in with this browser.</p>
<p class="small"><a href="${base}/sign-in">Sign in</a></p>`
  return renderPage({ title: 'Signed out', body })
}
