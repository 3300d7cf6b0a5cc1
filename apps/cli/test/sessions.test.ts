import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { arctos, patternOf, readSession, splitCommand } from './transcript.ts'

describe('a session at the terminal', () => {
  const folders: string[] = []
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true })
  })

  // Steps build on each other, so they are one test: its failure names the command.
  it.each([
    ['administers a server', 'administer', {}],
    ['shares a secret with an API', 'shared-secret', { ARCTOS_KEY: Buffer.alloc(32, 7).toString('base64url') }],
  ])('%s', { timeout: 120_000 }, async (_title, name, env) => {
    const cwd = mkdtempSync(join(tmpdir(), 'arctos-session-'))
    folders.push(cwd)
    for (const { command, input, expected, exitCode } of readSession(name)) {
      const ended = await arctos(splitCommand(command), { cwd, input, env })
      expect(ended.output, command).toMatch(patternOf(expected))
      expect(ended.exitCode, command).toBe(exitCode)
    }
  })
})
