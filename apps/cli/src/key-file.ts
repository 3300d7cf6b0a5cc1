import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyEncryptionKey } from '@arctos/authorization-server'
import { type Configuration, ConfigurationError } from './configuration.ts'

// A development key says what it is, so that it can't end up protecting anything real.
const developmentMark = 'arctos-development-key '

/** Where `arctos dev` keeps its own key. */
function developmentKeyFile(dataDir: string): string {
  return join(dataDir, 'dev.key')
}

/** The key of a data directory for development, made on first use. */
export function openDevelopmentKey(dataDir: string): KeyEncryptionKey {
  const file = developmentKeyFile(dataDir)
  if (!existsSync(file))
    writeFileSync(file, `${developmentMark}${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  return readKey(readFileSync(file, 'utf8').replace(developmentMark, ''), file)
}

/** The key-encryption key of a real server. Throws {@link ConfigurationError} where there is none, or one that is not safe. */
export function openKey({ key, keyFile }: Configuration): KeyEncryptionKey {
  if (key !== undefined) return readKey(key, 'ARCTOS_KEY')
  if (keyFile === undefined) {
    throw new ConfigurationError(
      'there is no key-encryption key: give --key-file FILE (mode 0600) or ARCTOS_KEY. Make one with: arctos key generate > FILE',
    )
  }
  if (!existsSync(keyFile)) throw new ConfigurationError(`--key-file: ${keyFile} does not exist`)
  const others = statSync(keyFile).mode & 0o077
  if (others !== 0 && process.platform !== 'win32') {
    throw new ConfigurationError(`--key-file: ${keyFile} can be read by others; allowed is mode 0600`)
  }
  const text = readFileSync(keyFile, 'utf8')
  if (text.startsWith(developmentMark)) {
    throw new ConfigurationError(
      `--key-file: ${keyFile} is a development key; make one with: arctos key generate > FILE`,
    )
  }
  return readKey(text, keyFile)
}

/** Whether a command works on what `arctos dev` left in a folder: no key is configured, and that of development lies there. */
export function isDevelopment(configuration: Configuration, dataDir: string): boolean {
  return (
    configuration.key === undefined && configuration.keyFile === undefined && existsSync(developmentKeyFile(dataDir))
  )
}

/** The key for a command that works on a store: the configured one, or that of `arctos dev` in the same folder. */
export function openAnyKey(configuration: Configuration, dataDir: string): KeyEncryptionKey {
  return isDevelopment(configuration, dataDir) ? openDevelopmentKey(dataDir) : openKey(configuration)
}

/** A new key-encryption key as text. */
export function generateKey(): string {
  return randomBytes(32).toString('base64url')
}

function readKey(text: string, source: string): KeyEncryptionKey {
  const key = Buffer.from(text.trim(), 'base64url')
  if (key.byteLength !== 32)
    throw new ConfigurationError(`${source}: the key must be 32 bytes as base64url (43 characters)`)
  return key
}
