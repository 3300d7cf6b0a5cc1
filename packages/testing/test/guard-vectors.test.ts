import { describe, expect, it } from 'vitest'
import { guardVectors } from '../src/index.ts'

describe('the vectors', () => {
  it('have an id each', () => {
    const ids = guardVectors.map(({ id }) => id)
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([])
  })

  it('have a title each, with the clause at its end', () => {
    const titles = guardVectors.map(({ title }) => title)
    expect(titles.filter((title, at) => titles.indexOf(title) !== at)).toEqual([])
    expect(titles.filter((title) => !/ \[RFC \d+ §[^[\]]+\]$/.test(title))).toEqual([])
  })

  it('cover every row of the comparison, each alternative by itself', () => {
    const rows = guardVectors.flatMap(({ row }) => (row === undefined ? [] : [row]))
    expect(new Set(rows)).toEqual(new Set(Array.from({ length: 22 }, (_, index) => index + 1)))
    expect(rows.length).toBeGreaterThanOrEqual(31)
  })
})
