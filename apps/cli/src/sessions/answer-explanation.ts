import { parseChallenges } from '@arctos/client'

const textLimit = 300

/** The session that a call was made with. */
export interface Caller {
  /** What the user granted. */
  readonly scope: readonly string[]
  /** What to type to log in again. */
  readonly login: string
}

/** Lines for a person whose call was refused: what the API said, and what to do about it. */
export function explainAnswer(response: Response, caller: Caller): readonly string[] {
  const { status } = response
  const challenge = parseChallenges(response.headers.get('www-authenticate') ?? '').find(
    ({ scheme }) => scheme === 'bearer',
  )
  const said = (name: string): string | undefined => printable(challenge?.parameters.get(name))
  const [error, description] = [said('error'), said('error_description')]
  const first = [`arctos: the API answered ${status}`, error, description].filter((part) => part !== undefined)
  const receipt = response.headers.get('arctos-receipt')
  const lines = [
    ...hintsOf(status, error, said, caller),
    ...(status === 503 || status === 429 ? retryHint(response) : []),
    ...(receipt !== null && /^[\w-]{1,1000}$/.test(receipt)
      ? [`its operator learns the cause with: arctos explain ${receipt}`]
      : []),
  ]
  return [first.join(': '), ...lines.map((line) => `  ${line}`)]
}

function hintsOf(
  status: number,
  error: string | undefined,
  said: (name: string) => string | undefined,
  { scope: granted, login }: Caller,
): readonly string[] {
  if (status !== 401 && status !== 403) return []
  const [scope, acr, maxAge] = [said('scope'), said('acr_values'), said('max_age')]
  switch (error) {
    case 'insufficient_scope':
      if (scope === undefined) return []
      // With what there is already, or the new session could do less than the old one.
      return [
        `it asks for the scope: ${scope}`,
        `log in again with it: ${login} --scope '${[...new Set([...granted, ...scope.split(' ')])].join(' ')}'`,
      ]
    case 'insufficient_user_authentication':
      return [
        ...(acr === undefined ? [] : [`it asks for a sign-in of the kind: ${acr}`]),
        ...(maxAge === undefined ? [] : [`it asks for a sign-in of the last ${maxAge} seconds`]),
        `log in again: ${login}`,
      ]
    case 'invalid_token':
      return ['a new token was refused too; arctos whoami says what it is for']
    default:
      return []
  }
}

function retryHint(response: Response): readonly string[] {
  const after = response.headers.get('retry-after')
  return after !== null && /^\d{1,6}$/.test(after) ? [`it asks to come back in ${after} s`] : []
}

/** What an API says is a stranger's text: it must not draw on the terminal. */
function printable(text: string | undefined): string | undefined {
  return text?.replace(/[^\x20-\x7e]/g, '?').slice(0, textLimit)
}
