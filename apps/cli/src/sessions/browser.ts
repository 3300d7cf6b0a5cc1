import { spawn } from 'node:child_process'

/**
 * Opens a page in the user's browser, if there seems to be one: the program that `BROWSER` names, or the system's on a terminal
 * with a display. The URL goes to it as an argument and never through a shell. Failing is fine: the URL is printed too.
 */
export function openBrowser(url: string): void {
  const command = browserCommand()
  if (command === undefined) return
  const [program, ...args] = command
  spawn(program, [...args, url], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref()
}

function browserCommand(): readonly [string, ...string[]] | undefined {
  const named = process.env['BROWSER']
  if (named) return [named]
  if (!process.stderr.isTTY) return undefined
  if (process.platform === 'darwin') return ['open']
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return process.env['DISPLAY'] || process.env['WAYLAND_DISPLAY'] ? ['xdg-open'] : undefined
}
