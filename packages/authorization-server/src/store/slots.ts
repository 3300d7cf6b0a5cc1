/** Runs tasks, so many at once and the others in the order of their arrival. */
export type Slots = <Result>(task: () => Promise<Result>) => Promise<Result>

export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = []
  let free = count
  return async (task) => {
    if (free > 0) free -= 1
    else await new Promise<void>((admit) => waiting.push(admit))
    try {
      return await task()
    } finally {
      const admit = waiting.shift()
      if (admit === undefined) free += 1
      else admit()
    }
  }
}
