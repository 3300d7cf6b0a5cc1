import { sha256 } from '@arctos/core'

/** The one style sheet of all pages: light and dark, from a phone's width up, no font and no image from anywhere. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #eef1f5; --card: #ffffff; --line: #d5dbe3; --field: #8a94a3;
  --text: #17212e; --soft: #55606f; --accent: #1d5b8f; --on-accent: #ffffff; --accent-strong: #154770;
  --warn-back: #fff5dd; --warn-line: #d9a93a; --bad: #a3212b; --bad-back: #fdecec; --good: #1c6b43; --good-back: #e6f5ec;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10161e; --card: #19212c; --line: #313d4c; --field: #77859a;
    --text: #e8edf3; --soft: #a5b1c0; --accent: #8ec3f0; --on-accent: #0b1a28; --accent-strong: #b4d8f7;
    --warn-back: #332a12; --warn-line: #a8812a; --bad: #ff9c9c; --bad-back: #3a1c20; --good: #86d6ab; --good-back: #16301f;
  }
}
* { box-sizing: border-box; }
html { font: 100%/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center;
  padding: clamp(1rem, 8vh, 5rem) 1rem 2rem; background: var(--page); color: var(--text); overflow-wrap: anywhere; }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 1.25rem; color: var(--accent);
  font-size: 1.05rem; font-weight: 650; letter-spacing: .01em; }
.brand svg { width: 2.8rem; height: 1.5rem; }
main { width: 100%; max-width: 27rem; padding: clamp(1.25rem, 5vw, 2rem); background: var(--card);
  border: 1px solid var(--line); border-radius: .875rem; box-shadow: 0 .5rem 2rem rgb(15 30 50 / .08); }
main.wide { max-width: 42rem; }
h1 { margin: 0 0 .35rem; font-size: 1.45rem; line-height: 1.25; letter-spacing: -.01em; }
h2 { margin: 2rem 0 .6rem; font-size: 1.1rem; line-height: 1.3; }
h3 { margin: 0; font-size: 1rem; }
p { margin: 0 0 1rem; }
main > :last-child, section:last-child > :last-child { margin-bottom: 0; }
form + p { margin-top: 1.25rem; }
input + p { margin-top: .4rem; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
label { display: block; margin: 1rem 0 .35rem; font-weight: 600; font-size: .9375rem; }
input:not([type=hidden], [type=checkbox]) { width: 100%; min-height: 2.85rem; padding: .5rem .75rem; font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--field); border-radius: .5rem; }
input[type=checkbox] { margin: 0 .5rem 0 0; accent-color: var(--accent); }
select { width: 100%; min-height: 2.85rem; padding: .5rem .75rem; font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--field); border-radius: .5rem; }
fieldset { margin: 1rem 0 0; padding: .25rem 1rem .75rem; border: 1px solid var(--line); border-radius: .6rem; }
legend { padding: 0 .35rem; font-weight: 600; font-size: .9375rem; }
fieldset label { margin: .6rem 0 0; font-weight: 400; }
input[aria-invalid=true] { border-color: var(--bad); }
button { min-height: 2.85rem; padding: .5rem 1.15rem; font: inherit; font-weight: 600; border-radius: .5rem; cursor: pointer;
  border: 1px solid var(--accent); background: var(--accent); color: var(--on-accent); }
button:hover { background: var(--accent-strong); border-color: var(--accent-strong); }
button.quiet { background: transparent; color: var(--accent); }
button.quiet:hover { background: var(--page); color: var(--accent-strong); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
.actions button { flex: 1 1 9rem; }
.notice { margin: 1rem 0; padding: .75rem 1rem; border-radius: .5rem; border-left: 4px solid var(--warn-line); background: var(--warn-back); }
.notice.bad { border-color: var(--bad); background: var(--bad-back); color: var(--bad); }
.notice.good { border-color: var(--good); background: var(--good-back); color: var(--good); }
.notice p:last-child { margin: 0; }
ul.scopes { list-style: none; margin: 0 0 1rem; padding: 0; border: 1px solid var(--line); border-radius: .6rem; }
ul.scopes li { padding: .7rem 1rem; }
ul.scopes li + li { border-top: 1px solid var(--line); }
ul.scopes code { display: block; color: var(--soft); }
code { font: .8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
dl { margin: 1rem 0; display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; font-size: .9375rem; }
dt { color: var(--soft); }
@media (max-width: 26rem) { dl { grid-template-columns: 1fr; gap: 0; } dd + dt { margin-top: .5rem; } }
dd { margin: 0; }
.code { margin: 1rem 0; font: 600 1.75rem/1.3 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: .08em; text-align: center; }
input.code { text-transform: uppercase; margin: 0; }
ul.applications { list-style: none; margin: 0; padding: 0; }
ul.applications li { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; padding: 1rem 0; border-top: 1px solid var(--line); }
ul.applications li > div { flex: 1 1 14rem; }
ul.applications p { margin: .15rem 0 0; }
.top { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: start; gap: .75rem; }
.narrow { max-width: 24rem; }
.receipt { padding: .6rem .8rem; border: 1px solid var(--line); border-radius: .5rem; word-break: break-all; user-select: all; }
@media (prefers-reduced-motion: no-preference) { button { transition: background-color .12s, border-color .12s; } }
@media (forced-colors: active) { .notice, main { border: 1px solid; } }
`

/** Allows this style sheet and no other (Content Security Policy Level 3 §2.3.1). */
export const styleSource = `'sha256-${sha256(style).toString('base64')}'`
