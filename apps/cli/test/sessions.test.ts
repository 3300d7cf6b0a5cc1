import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { arctos, patternOf, readSession, splitCommand } from './transcript.ts'

describe('a session at the terminal', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'arctos-session-'))
  afterAll(() => rmSync(cwd, { recursive: true }))

  // Steps build on each other, so they are one test: its failure names the command.
  it('administers a server', { timeout: 120_000 }, async () => {
    for (const { command, input, expected, exitCode } of readSession('administer')) {
      const ended = await arctos(splitCommand(command), { cwd, input })
      expect(ended.output, command).toMatch(patternOf(expected))
      expect(ended.exitCode, command).toBe(exitCode)
    }
  })
})
