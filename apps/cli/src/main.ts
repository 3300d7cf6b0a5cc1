import { enableCompileCache } from 'node:module'

// Half of the start-up time is compiling; the second start is spared it.
enableCompileCache()
const { runCommandLine } = await import('./command-line.ts')
await runCommandLine(process.argv)
