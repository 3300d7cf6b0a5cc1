/** What an address has to be, in words. */
export const urlRule = 'an https URL, or an http URL of this machine (localhost, 127.0.0.1, [::1])'

/** Whether keys and answers from this address can be believed: TLS, or a connection that stays on the machine. */
export function isTrustworthyUrl(text: unknown): text is string {
  if (typeof text !== 'string' || !URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** Throws the mistake unless the condition holds. */
export function check(holds: boolean, key: string, value: unknown, allowed: string): void {
  if (!holds) throw mistake(key, value, allowed)
}

/** An option that would make the guard unsafe: its name, what it is, what is allowed. */
export function mistake(key: string, value: unknown, allowed: string): TypeError {
  // User information in a URL may be a password.
  const shown = typeof value === 'string' && value.includes('@') ? '(hidden)' : JSON.stringify(value)
  return new TypeError(`resourceServer: ${key} is ${shown}; allowed is ${allowed}`)
}
