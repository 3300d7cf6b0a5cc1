import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { freePort } from '../support/listening.ts'
import { check, defineScenario } from '../support/scenario.ts'
import type { World } from '../support/world.ts'

const suite = join(import.meta.dirname, '../node_modules/@modelcontextprotocol/conformance/dist/index.js')
const patienceMs = 30_000

export const scenario = defineScenario({
  program: '@modelcontextprotocol/conformance',
  steps: ['runs to its end', 'authorization-server-metadata-endpoint', 'authorization-code-grant'],
  async run(world, step) {
    const said = await step('runs to its end', async () => {
      const { code, output } = await runSuite(world)
      check(code === 0, `exit ${code}: ${output.slice(-500)}`)
      return output
    })
    for (const name of ['authorization-server-metadata-endpoint', 'authorization-code-grant'] as const) {
      await step(name, async () => check(said.includes(`✓ ${name}`), said.slice(-500)))
    }
  },
})

/** The suite of MCP for authorization servers. It prints an address, waits at a port of its own, and redeems what comes. */
async function runSuite({ env, authorize }: World): Promise<{ readonly code: number | null; readonly output: string }> {
  // Any port will do: REDIRECT_URI is on loopback (RFC 8252 §7.3).
  const options = ['--url', env.ISSUER, '--client-id', env.PUBLIC_CLIENT_ID, '--port', String(await freePort())]
  const child = spawn(process.execPath, [suite, 'authorization', ...options], { timeout: patienceMs })
  let output = ''
  let visit: Promise<unknown> | undefined
  let problem: unknown
  const listen = (text: Buffer): void => {
    output += text.toString()
    const address = /^http\S+[?&]code_challenge=\S+$/m.exec(output)?.[0]
    const isWaiting = output.includes('Callback server started')
    if (address === undefined || !isWaiting) return
    visit ??= authorize(address)
      .then((callback) => fetch(callback))
      .catch((error: unknown) => {
        problem = error
        child.kill()
      })
  }
  child.stdout.on('data', listen)
  child.stderr.on('data', listen)
  const code = await new Promise<number | null>((exited) => child.once('exit', exited))
  await visit
  if (problem !== undefined) throw problem
  return { code, output }
}
