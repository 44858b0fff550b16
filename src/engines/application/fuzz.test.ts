import { describe } from 'vitest'
import { fuzzContract } from '../../../labs/content/fuzz.contract.ts'

describe('fuzz, some inputs', () => {
  fuzzContract({ http: 1500, hellos: 1000, parsed: 2000, seed: 1_000_000, timeoutMs: 90_000 })
})
