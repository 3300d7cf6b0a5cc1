import { readFileSync } from 'node:fs'

// Linux counts in USER_HZ, which is 100 on every architecture that Node runs on.
const ticksPerSecond = 100

/** CPU time that a process has used so far, all its threads together, user and system, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name, second field, may hold spaces; what follows its closing bracket does not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
