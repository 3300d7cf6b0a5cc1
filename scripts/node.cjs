// Starts Node with the given arguments: the running one when it is new enough, else the one that came with `npm ci`.
// Plain CommonJS, because an old Node has to be able to read it.
'use strict'
const { spawn } = require('node:child_process')
const { existsSync, readFileSync } = require('node:fs')
const { dirname, join } = require('node:path')

/** The range that `engines` of the server names: ^24.16.0 || >=26.1.0. */
function isSupported(version) {
  const [major, minor] = version.split('.').map(Number)
  return (major === 24 && minor >= 16) || (major === 26 && minor >= 1) || major > 26
}

// The link in node_modules/.bin is not made by every npm, as several of these packages share the name `node`.
function bundledNode() {
  const system = process.platform === 'win32' ? 'win' : process.platform
  const file = join('bin', process.platform === 'win32' ? 'node.exe' : 'node')
  for (const name of [`node-${system}-${process.arch}`, `node-bin-${system}-${process.arch}`]) {
    try {
      const path = join(dirname(require.resolve(`${name}/package.json`)), file)
      if (existsSync(path)) return path
    } catch {}
  }
}

// Ctrl-C reaches every process of the terminal's foreground group, the child too: passing it on would deliver it twice.
function terminalDelivers() {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8')
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return group === foreground
  } catch {
    return Boolean(process.stdin.isTTY)
  }
}

const node = isSupported(process.versions.node) ? process.execPath : bundledNode()
if (!node) {
  console.error(
    `Arctos needs Node 24.16 or newer; this is ${process.versions.node}, and none came with the installation.\n` +
      'Run `npm ci` without --omit=optional, or install Node 24 or 26.',
  )
  process.exit(1)
}

const child = spawn(node, process.argv.slice(2), { stdio: 'inherit' })
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
const passed = new Set()
for (const signal of signals) {
  process.on(signal, () => {
    // npm and a signalled process group deliver the same signal more than once.
    if (passed.has(signal) || (signal === 'SIGINT' && terminalDelivers())) return
    passed.add(signal)
    setTimeout(() => passed.delete(signal), 1000).unref()
    child.kill(signal)
  })
}
child.on('error', (error) => {
  console.error(`${node} does not start: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => {
  for (const each of signals) process.removeAllListeners(each)
  if (signal) process.kill(process.pid, signal)
  else process.exit(code)
})
