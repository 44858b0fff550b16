/** Both sides' sockets: what a master says goes out, what a backup hears and lets in goes on to the engine. */
import { randomBytes } from 'node:crypto'
import { describeError, InfraError } from '../errors.ts'
import type { SyncRole } from '../lvs/edit.ts'
import { listInterfaces } from '../os/interfaces.ts'
import { type Group, type GroupSender, hearGroup, openGroupSender } from '../os/multicast.ts'
import type { Counts, Note, Side, SideCounts } from './calls.ts'
import { Gate } from './gate.ts'
import { Inbox } from './inbox.ts'
import { noneRefused, type Refusal } from './refusals.ts'
import { Sealer } from './seal.ts'

const bufferBytes = 4 * 1024 * 1024
/** A sender whose socket is full tries again after so long, and gives a datagram up after so many times. */
const fullMs = 2
const mostTries = 100
/** An interface that went away, or came back with another number, is seen after so long. */
const lookMs = 2000

type Running = {
  readonly side: Side
  readonly counts: { datagrams: number; bytes: number; unsent: number; refused: Record<Refusal, number> }
  readonly sealer: Sealer
  readonly gate: Gate
  /** undefined while the interface is not there. */
  sockets: { readonly index: number; readonly sender: GroupSender; readonly hearing: Disposable } | undefined
  trouble: string | undefined
}

export class Station implements Disposable {
  readonly #running = new Map<SyncRole, Running>()
  readonly #inbox = new Inbox()
  readonly #tell: (note: Note) => void
  readonly #look: NodeJS.Timeout
  #isDue = false

  constructor(tell: (note: Note) => void) {
    this.#tell = tell
    this.#look = setInterval(() => this.#lookAfterInterfaces(), lookMs)
  }

  /** @throws InfraError `not-found` without that interface, `permission` without CAP_NET_RAW and CAP_NET_ADMIN. */
  start(side: Side): void {
    this.stop(side.role)
    const { syncId, key } = side
    const running: Running = {
      side,
      counts: { datagrams: 0, bytes: 0, unsent: 0, refused: { ...noneRefused } },
      sealer: new Sealer({ syncId, key, sender: randomBytes(8).readBigUInt64BE() }),
      gate: new Gate(syncId, key),
      sockets: undefined,
      trouble: undefined,
    }
    this.#open(running)
    this.#running.set(side.role, running)
  }

  stop(role: SyncRole): void {
    const running = this.#running.get(role)
    if (running !== undefined) close(running)
    this.#running.delete(role)
  }

  async send(messages: readonly Uint8Array[]): Promise<void> {
    const master = this.#running.get('master')
    if (master === undefined) return
    let isStuck = false
    for (const message of messages) {
      // Whoever waits for the answer must not wait once more for each.
      if (isStuck) master.counts.unsent += 1
      else isStuck = !(await send(master, master.sealer.records(message, BigInt(Date.now()))))
    }
  }

  async say(role: SyncRole, kind: 'request' | 'complete'): Promise<void> {
    const running = this.#running.get(role)
    if (running !== undefined)
      await send(running, running.sealer.seal(kind, new Uint8Array(), BigInt(Date.now())), role === 'master')
  }

  taken(): void {
    this.#inbox.taken()
    this.#handOver()
  }

  counts(): Counts {
    return Object.fromEntries(
      [...this.#running].map(([role, { counts, trouble }]): [SyncRole, SideCounts] => [role, { ...counts, trouble }]),
    )
  }

  [Symbol.dispose](): void {
    clearInterval(this.#look)
    for (const role of [...this.#running.keys()]) this.stop(role)
  }

  #open(running: Running): void {
    const { side } = running
    const { interface: name, group, port, ttl, role } = side
    const found = listInterfaces().find((one) => one.name === name)
    if (found === undefined)
      throw new InfraError('not-found', `there is no interface ${name}`, { subject: name, retryable: true })
    const link: Group = { group, port, link: { name, index: found.index }, bufferBytes }
    const sender = openGroupSender({ ...link, ttl })
    try {
      const hearing = hearGroup(link, (datagram) =>
        role === 'master' ? this.#heardByMaster(running, datagram) : this.#heardByBackup(running, datagram),
      )
      running.sockets = { index: found.index, sender, hearing }
    } catch (error) {
      sender[Symbol.dispose]()
      throw error
    }
  }

  /** Only who asks is heard: what other masters say is for backups. */
  #heardByMaster({ gate }: Running, datagram: Uint8Array): void {
    if (gate.admit(datagram, BigInt(Date.now())).kind === 'request') this.#tell({ kind: 'request' })
  }

  #heardByBackup({ gate, counts }: Running, datagram: Uint8Array): void {
    const admitted = gate.admit(datagram, BigInt(Date.now()))
    if (admitted.kind === 'refused') counts.refused[admitted.reason] += 1
    else if (admitted.kind === 'complete') this.#tell({ kind: 'complete' })
    else if (admitted.kind === 'records') {
      if (!this.#inbox.put(admitted.message)) {
        counts.refused.queue += 1
        return
      }
      counts.datagrams += 1
      counts.bytes += datagram.length
      this.#handOverSoon()
    }
  }

  /** What comes in one go is handed over in one go. */
  #handOverSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.#handOver()
    })
  }

  #handOver(): void {
    const handful = this.#inbox.next()
    if (handful !== undefined) this.#tell(handful)
  }

  #lookAfterInterfaces(): void {
    for (const running of this.#running.values()) {
      const { side, sockets } = running
      try {
        const index = listInterfaces().find(({ name }) => name === side.interface)?.index
        if (index !== undefined && index === sockets?.index) continue
        close(running)
        this.#open(running)
        running.trouble = undefined
      } catch (error) {
        running.trouble = describeError(error)
      }
    }
  }
}

function close(running: Running): void {
  running.sockets?.hearing[Symbol.dispose]()
  running.sockets?.sender[Symbol.dispose]()
  running.sockets = undefined
}

/** One datagram, waiting for room; counted where it `isCounted`. Resolves to whether it is on its way. */
async function send(running: Running, datagram: Uint8Array, isCounted = true): Promise<boolean> {
  const { counts, side } = running
  const { datagrams, bytes, unsent } = counts
  for (let tries = 0; ; tries++) {
    const errno = running.sockets === undefined ? 'ENODEV' : running.sockets.sender.send(datagram)
    const isFull = errno === 'EAGAIN' || errno === 'ENOBUFS'
    if (isFull && tries < mostTries) {
      await new Promise((resolve) => setTimeout(resolve, fullMs))
      continue
    }
    running.trouble = errno === undefined ? undefined : `send to ${side.group} on ${side.interface}: ${errno}`
    if (!isCounted) return errno === undefined
    if (errno === undefined) Object.assign(counts, { datagrams: datagrams + 1, bytes: bytes + datagram.length })
    else counts.unsent = unsent + 1
    return errno === undefined
  }
}
