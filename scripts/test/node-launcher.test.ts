import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'

const launcher = resolve(import.meta.dirname, '../node.cjs')

// Detached from the terminal, which would deliver SIGINT to the child by itself.
function launch(code: string) {
  return spawn(process.execPath, [launcher, '-e', code], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
}

describe('the Node launcher', () => {
  it("exits with the child's code", async () => {
    expect(await once(launch('process.exit(7)'), 'exit')).toEqual([7, null])
  })

  it("dies of the child's signal", async () => {
    expect(await once(launch("process.kill(process.pid, 'SIGKILL')"), 'exit')).toEqual([null, 'SIGKILL'])
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'hands %s to the child once, however often it comes',
    async (signal) => {
      const child = launch(
        `let count = 0
       process.on('${signal}', () => { count += 1; setTimeout(() => { console.log(count); process.exit(0) }, 200) })
       setInterval(() => {}, 1000)
       console.log('ready')`,
      )
      const lines: string[] = []
      const output = createInterface({ input: child.stdout })
      output.on('line', (line) => {
        lines.push(line)
        if (line === 'ready') for (let time = 0; time < 3; time += 1) child.kill(signal)
      })
      await Promise.all([once(child, 'exit'), once(output, 'close')])
      expect(lines).toEqual(['ready', '1'])
    },
  )
})
