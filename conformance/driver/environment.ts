import { readFileSync } from 'node:fs'

/** What the dotenv file may name, with the same meaning for every issuer. README.md explains each. */
export type VariableName =
  | 'ISSUER'
  | 'AUDIENCE'
  | 'API_URL'
  | 'SCOPE'
  | 'SCOPE_WRITE'
  | 'AUDIENCE2'
  | 'SCOPE2'
  | 'CLIENT_ID'
  | 'CLIENT_SECRET'
  | 'CLIENT2_ID'
  | 'CLIENT2_SECRET'
  | 'PUBLIC_CLIENT_ID'
  | 'DEVICE_CLIENT_ID'
  | 'REDIRECT_URI'
  | 'USER_SCOPE'
  | 'USERNAME'
  | 'PASSWORD'
  | 'RS_CLIENT_ID'
  | 'RS_CLIENT_SECRET'
  | 'PUSH_ENDPOINT'
  | 'RS2_ID'
  | 'RS2_SECRET'
  | 'PKJWT_CLIENT_ID'
  | 'PKJWT_PRIVATE_JWK'
  | 'SUBJECT_TOKEN'
  | 'SUBJECT_TOKEN_TYPE'

/** The variables that a scenario said it needs, and the issuer, without which there is nothing to test. */
export type Environment<Name extends VariableName = VariableName> = Readonly<Record<Name | 'ISSUER', string>>

/** Reads a dotenv file as a shell would: `NAME=value`, single and double quotes, `export`, comments. */
export function readEnvironmentFile(file: string): Readonly<Record<string, string>> {
  const values: Record<string, string> = {}
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, name, value] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*?)\s*$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) values[name] = unquote(value)
  }
  return values
}

const shellPart = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/y

function unquote(text: string): string {
  let value = ''
  shellPart.lastIndex = 0
  for (let part = shellPart.exec(text); part !== null; part = shellPart.exec(text)) {
    const [, single, double, escaped, bare] = part
    value += single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? bare ?? ''
  }
  return value
}
