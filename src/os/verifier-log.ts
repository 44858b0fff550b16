/** What the verifier says, cut down to what a person can use. Pure. */

/** The last lines that are words rather than registers, and in plain words what the common ones mean. */
export function verifierReason(log: string, errno: string): string {
  const lines = log.split('\n').map((line) => line.trim())
  const words = lines.filter((line) => line !== '' && !isNoise(line)).slice(-3)
  if (words.length === 0) return errno
  const text = words.join('; ')
  const meaning = meanings.find(({ pattern }) => pattern.test(text))?.meaning
  return meaning === undefined ? text : `${meaning} (${text})`
}

function isNoise(line: string): boolean {
  return /^(?:\d+: |; |from \d+ to |processed |R\d+[_ =]|-- |func#|max_states|verification time|stack depth)/u.test(
    line,
  )
}

const meanings: readonly { readonly pattern: RegExp; readonly meaning: string }[] = [
  {
    pattern: /unknown func|invalid func|program of this type cannot use helper/u,
    meaning: 'the kernel is too old for a function that it calls',
  },
  { pattern: /too large|too complex|jumps is too/u, meaning: 'the kernel finds it too long to check' },
  {
    pattern: /invalid access|out of bounds|outside of the|unbounded/u,
    meaning: 'the kernel cannot see that its memory accesses are safe',
  },
  { pattern: /BTF/u, meaning: 'the kernel does not take its type information' },
]
