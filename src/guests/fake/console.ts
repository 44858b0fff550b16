/** The serial consoles of simulated guests: what is typed on one is echoed on all that are open. */
import { Duplex } from 'node:stream'

/** Kept of each guest's console; the oldest goes first. */
const maxLogBytes = 64 * 1024

export type FakeConsoles = {
  /** Adds to the log and to every open console. */
  print(guest: string, text: string): void
  open(guest: string): Duplex
  log(guest: string): string
  /** Ends the open consoles. */
  readonly hangUp: (guest: string) => void
  forget(guest: string): void
}

export function fakeConsoles(): FakeConsoles {
  const logs = new Map<string, string>()
  const open = new Map<string, Set<Duplex>>()
  const print = (guest: string, text: string): void => {
    logs.set(guest, `${logs.get(guest) ?? ''}${text}`.slice(-maxLogBytes))
    for (const stream of open.get(guest) ?? []) stream.push(text)
  }
  const hangUp = (guest: string): void => {
    for (const stream of open.get(guest) ?? []) stream.push(null)
    open.delete(guest)
  }
  return {
    print,
    hangUp,
    log: (guest) => logs.get(guest) ?? '',
    forget(guest) {
      hangUp(guest)
      logs.delete(guest)
    },
    open(guest) {
      const all = open.get(guest) ?? new Set<Duplex>()
      const stream: Duplex = new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          print(guest, chunk.toString())
          done()
        },
        destroy(error, done) {
          all.delete(stream)
          done(error)
        },
      })
      all.add(stream)
      open.set(guest, all)
      return stream
    },
  }
}
