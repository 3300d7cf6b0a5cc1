/** Values counted in classes that grow by a fortieth each: quantiles of any number of values, to 2.5 %. */
export interface Histogram {
  add(value: number): void
  readonly count: number
  readonly mean: number
  readonly greatest: number
  quantile(share: number): number
  /** How many values lie from one bound to below another. */
  between(from: number, to: number): number
}

const growth = Math.log(1.025)
const least = 0.1

export function createHistogram(): Histogram {
  const classes: number[] = []
  let count = 0
  let sum = 0
  let greatest = 0
  const classOf = (value: number): number => Math.max(0, Math.floor(Math.log(value / least) / growth))
  const bound = (index: number): number => least * Math.exp((index + 1) * growth)
  return {
    add(value) {
      const index = value <= least ? 0 : classOf(value)
      classes[index] = (classes[index] ?? 0) + 1
      count += 1
      sum += value
      greatest = Math.max(greatest, value)
    },
    get count() {
      return count
    },
    get mean() {
      return sum / count
    },
    get greatest() {
      return greatest
    },
    quantile(share) {
      let left = share * count
      for (const [index, each] of classes.entries()) {
        left -= each ?? 0
        if (left <= 0) return Math.min(bound(index), greatest)
      }
      return greatest
    },
    between(from, to) {
      return classes.reduce((total, each, index) => {
        const at = bound(index)
        return at >= from && at < to ? total + (each ?? 0) : total
      }, 0)
    },
  }
}
