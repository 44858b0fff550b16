/** What the guest's agent (agent.pl) is asked, and its answers, as lines of words in hexadecimal. */

export type GuestStep =
  /** A fresh network namespace with an interface `client`, at virtual time 0. All later steps happen in it. */
  | { readonly kind: 'world' }
  | { readonly kind: 'run'; readonly command: readonly string[]; readonly input?: string }
  /** An Ethernet frame comes in on `client`. */
  | { readonly kind: 'frame'; readonly frame: Uint8Array }
  | { readonly kind: 'write'; readonly file: string; readonly content: string }
  | { readonly kind: 'read'; readonly file: string }
  /** A question by netlink, which is answered at once. */
  | { readonly kind: 'netlink'; readonly protocol: number; readonly message: Uint8Array }
  /** For so long, or until so long after the world began: milliseconds of virtual time. */
  | { readonly kind: 'sleep' | 'until'; readonly ms: number }

type Results = {
  readonly world: object
  readonly run: { readonly code: number; readonly stdout: string; readonly stderr: string }
  /** What left on `client` because of it. */
  readonly frame: { readonly frames: readonly Uint8Array[] }
  readonly write: { readonly error: string | undefined }
  readonly read: { readonly content: string }
  /** All messages of the answer. */
  readonly netlink: { readonly answer: Uint8Array }
  readonly sleep: { readonly frames: readonly Uint8Array[] }
  readonly until: { readonly frames: readonly Uint8Array[] }
}

/** `atMs`: when the step began, in virtual time since the world began. */
export type Answer<Kind extends GuestStep['kind']> = Results[Kind] & { readonly atMs: number }

export function requestOf(steps: readonly GuestStep[]): string {
  return `${steps.map((step) => [step.kind, ...wordsOf(step)].join(' ')).join('\n')}\ngo\n`
}

function wordsOf(step: GuestStep): string[] {
  switch (step.kind) {
    case 'world':
      return []
    case 'run':
      return [hex(step.input ?? ''), ...step.command.map(hex)]
    case 'frame':
      return [Buffer.from(step.frame).toString('hex')]
    case 'write':
      return [hex(step.file), hex(step.content)]
    case 'read':
      return [hex(step.file)]
    case 'netlink':
      return [hex(String(step.protocol)), Buffer.from(step.message).toString('hex')]
    case 'sleep':
    case 'until':
      return [hex(String(step.ms))]
  }
}

/** @throws Error when the agent itself could not do the step. */
export function answerOf<Step extends GuestStep>(step: Step, line: string): Answer<Step['kind']> {
  const [at = '', kind = '', first = '', second = '', third = ''] = line.split(' ')
  if (kind !== step.kind || first === 'failed')
    throw new Error(`the guest's agent, asked to ${JSON.stringify(step)}: ${kind} ${text(second)}`)
  const answers: { readonly [Kind in GuestStep['kind']]: () => Results[Kind] } = {
    world: () => ({}),
    run: () => ({ code: Number(first), stdout: text(second), stderr: text(third) }),
    frame: () => ({ frames: framesOf(first) }),
    write: () => ({ error: first === '' ? undefined : text(first) }),
    read: () => ({ content: text(first) }),
    netlink: () => ({ answer: Uint8Array.from(Buffer.from(first, 'hex')) }),
    sleep: () => ({ frames: framesOf(first) }),
    until: () => ({ frames: framesOf(first) }),
  }
  return { ...answers[step.kind](), atMs: Number(at) } as Answer<Step['kind']>
}

const hex = (words: string): string => Buffer.from(words).toString('hex')
const text = (words: string): string => Buffer.from(words, 'hex').toString()
const framesOf = (words: string): Uint8Array[] =>
  words === '' ? [] : words.split(',').map((frame) => Buffer.from(frame, 'hex'))
