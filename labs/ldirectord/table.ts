/** An IPVS table that ldirectord drives with an ipvsadm of the lab's; each call is kept, with what stood before and after. */
import { createServer, type Socket } from 'node:net'
import type { Front } from '../../src/compat/ipvsadm/front.ts'
import { nameBook } from '../../src/compat/ipvsadm/names.ts'
import { runIpvsadm } from '../../src/compat/ipvsadm/run.ts'
import { fakeEngine } from '../../src/engines/fake/fake.ts'
import { openStillDirector } from '../../test/build/still-director.ts'
import { readToEnd } from '../net/loopback.ts'

/** A call that changes something, such as `-a -t 10.0.0.1:80 -r 10.9.0.1:80 -m -w 1`. */
export type Call = { readonly words: string; readonly code: number; readonly at: number }

export type RecordedTable = AsyncDisposable & {
  /** The calls that change the table, or would. */
  readonly calls: readonly Call[]
  read(): Promise<string[]>
}

/** Behind a socket at `path`, for `ipvsadm.pl`. */
export async function openRecordedTable(path: string): Promise<RecordedTable> {
  const director = await openStillDirector(fakeEngine())
  const calls: Call[] = []
  const answer = async (socket: Socket): Promise<void> => {
    const words = (await readToEnd(socket)).split('\0')
    const { code, out, err } = await ipvsadm(director, words)
    if (!words.includes('-L')) calls.push({ words: words.join(' '), code, at: performance.now() })
    socket.end([code, out, err].join('\0'))
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    answer(socket).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    calls,
    read: () => readTable(director),
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve))
      await director[Symbol.asyncDispose]()
    },
  }
}

/** `ipvsadm -Sn`, in an order that does not depend on when who came. */
export async function readTable(director: Front['director']): Promise<string[]> {
  const { code, out, err } = await ipvsadm(director, ['-S', '-n'])
  if (code !== 0) throw new Error(err)
  return out
    .split('\n')
    .filter((line) => line !== '')
    .sort()
}

async function ipvsadm(director: Front['director'], words: readonly string[]) {
  let [out, err] = ['', '']
  const code = await runIpvsadm(words, {
    director,
    names: nameBook({ hosts: () => '', services: () => '', lookUp: nobody, reverse: nobody, now: () => 0 }),
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    input: (async function* () {})(),
    program: () => 'ipvsadm',
    signal: AbortSignal.timeout(30_000),
  })
  return { code, out, err }
}

const nobody = async (): Promise<undefined> => undefined
