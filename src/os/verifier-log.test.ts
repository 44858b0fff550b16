import { describe, expect, test } from 'vitest'
import { verifierReason } from './verifier-log.ts'

describe('what the verifier says', () => {
  test.each([
    {
      name: 'registers and instructions are left out',
      log: 'func#0 @0\n0: R1=ctx() R10=fp0\n; int x = 0; @ a.c:3\n12: (85) call unknown#999\ninvalid func unknown#999\nprocessed 13 insns (limit 1000000)\n',
      reason: 'the kernel is too old for a function that it calls (invalid func unknown#999)',
    },
    {
      name: 'what has no meaning of ours is said as it is',
      log: '1: (bf) r6 = r1\nsomething else\n',
      reason: 'something else',
    },
    { name: 'without words it is the errno', log: '', reason: 'EINVAL' },
    {
      name: 'a program that is too long is said to be',
      log: 'BPF program is too large. Processed 1000001 insn\n',
      reason: 'the kernel finds it too long to check (BPF program is too large. Processed 1000001 insn)',
    },
  ])('$name', ({ log, reason }) => {
    expect(verifierReason(log, 'EINVAL')).toBe(reason)
  })
})
