import { expect, test } from 'vitest'
import { Bug } from '../../errors.ts'
import type { ProbeSpec } from '../check.ts'
import { isAvailableProbe, openProbe } from './registry.ts'

test('a kind that is not there is refused by its name', () => {
  const spec = { kind: 'gopher' } as unknown as ProbeSpec
  expect(isAvailableProbe(spec.kind)).toBe(false)
  expect(() => openProbe(spec)).toThrow(new Bug('checks of kind gopher are not available'))
})
