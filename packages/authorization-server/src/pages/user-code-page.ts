import { html } from './html.ts'
import { hiddenProof, renderPage } from './layout.ts'

export interface UserCodePage {
  readonly action: string
  readonly proof: string
  readonly username: string
  /** What was typed before, or came with the address. */
  readonly typed: string
  /** What was wrong with it. */
  readonly problem: string | undefined
}

/** Asks for the code that a device shows. RFC 8628 §3.3 */
export function userCodePage({ action, proof, username, typed, problem }: UserCodePage): string {
  const mark = problem !== undefined && html` aria-invalid="true"`
  const body = html`
<h1>Connect a device</h1>
<p class="soft">You are signed in as <strong><bdi>${username}</bdi></strong>. Type the code that your device shows.</p>
${problem !== undefined && html`<div class="notice bad" role="alert"><p id="problem">${problem}</p></div>`}
<form method="post" action="${action}">
${hiddenProof(proof)}
<label for="user_code">Code</label>
<input id="user_code" name="user_code" class="code" value="${typed}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required aria-describedby="care${problem !== undefined && ' problem'}"${mark} autofocus>
<div class="actions"><button type="submit">Continue</button></div>
</form>
<div class="notice"><p id="care"><strong>Only use a code from a device in front of you.</strong> If somebody sent you this code or this link, close the page: it would give them your account.</p></div>`
  return renderPage({ title: 'Connect a device', body })
}

/** What is left to say once the user has decided. */
export function deviceDonePage(done: 'approved' | 'denied'): string {
  const body =
    done === 'approved'
      ? html`
<h1>Your device is connected</h1>
<p>It goes on by itself within a few seconds. You can close this page.</p>
<p class="soft small">You can take this back at any time under your account.</p>`
      : html`
<h1>The device was refused</h1>
<p>It gets no access. If you did not start this yourself, somebody may have tried to use your account: the code came from them.</p>`
  return renderPage({ title: done === 'approved' ? 'Device connected' : 'Device refused', body })
}
