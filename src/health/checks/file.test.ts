import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fileProbe } from './file.ts'

const folder = mkdtempSync(join(tmpdir(), 'baton-file-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'state')
const target = { address: '127.0.0.1', port: 1 }
const look = (text: string | undefined, weight?: number) => {
  rmSync(path, { force: true })
  if (text !== undefined) writeFileSync(path, text)
  const probe = fileProbe({ kind: 'file', path, ...(weight === undefined ? {} : { weight }) })
  return probe(target, { signal: new AbortController().signal })
}

describe('check file', () => {
  test.each<[text: string | undefined, healthy: boolean]>([
    ['0\n', true], ['', true], [undefined, true], ['1', false], ['-3 x', false], ['many', false],
  ])('%j, without a weight', async (text, healthy) => {
    expect(await look(text)).toMatchObject({ healthy })
  }) // biome-ignore format: a table

  test.each<[text: string, weight: number, added: number]>([
    ['5', 2, 10], ['-5', 2, -10], ['5', -1, -5], ['0', 3, 0],
  ])('%s times %i is added to the weight', async (text, weight, added) => {
    expect(await look(text, weight)).toMatchObject({ healthy: true, report: { weight: { added } } })
  }) // biome-ignore format: a table

  test('what would be too little of a weight is a failure, and so is what cannot be read', async () => {
    expect(await look('-2147483648', 9)).toMatchObject({ healthy: false })
    const probe = fileProbe({ kind: 'file', path: folder })
    expect(await probe(target, { signal: new AbortController().signal })).toMatchObject({ healthy: false })
  })
})
