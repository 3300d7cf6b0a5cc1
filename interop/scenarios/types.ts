import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { defineScenario } from '../support/scenario.ts'

const repository = resolve(import.meta.dirname, '../..')

/** The adapters against the real types of Express and Fastify: everything here is compiled. */
export const scenario = defineScenario({
  program: '@types/express',
  steps: ['fits the adapters'],
  async run(_world, step) {
    await step('fits the adapters', async () => {
      const compiler = resolve(repository, 'node_modules/typescript/bin/tsc')
      const options = ['-p', resolve(repository, 'interop/tsconfig.json'), '--pretty', 'false']
      await promisify(execFile)(process.execPath, [compiler, ...options]).catch(({ stdout }: { stdout: string }) => {
        throw new Error(stdout.trim().slice(0, 2_000))
      })
    })
  },
})
