import { describe } from 'vitest'
import { fuzzContract } from './fuzz.contract.ts'

describe('fuzz, 100,000 inputs over sockets and as many over the parser', () => {
  fuzzContract({
    http: 60_000,
    hellos: 40_000,
    parsed: 100_000,
    seed: Number(process.env['FUZZ_SEED'] ?? 1),
    timeoutMs: 900_000,
  })
})
