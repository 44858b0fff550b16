/**
 * Opens connections and keeps them: `client.ts FROM TO:PORT COUNT`. Says how many were opened and in how many ms; then,
 * for each line on its standard input, passes a byte both ways over every one and says how many gave it back.
 */
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from '../../src/os/sockets.ts'
import { openSockets, placeOf } from './sockets.ts'

const inFlight = 128
const deadlineMs = 300_000

const [from = '', to = '', wanted] = process.argv.slice(2)
const sockets = openSockets()
const all: number[] = []

/** A byte passes both ways when it comes back; the server speaks only then. */
function pass(fds: readonly number[], byte: number): number {
  const waiting = new Set(fds.filter((fd) => sockets.sendByte(fd, byte)))
  let whole = 0
  const end = Date.now() + deadlineMs
  while (waiting.size > 0 && Date.now() < end)
    sockets.wait(100, (fd, flags) => {
      if ((flags & EPOLLIN) === 0 || !waiting.delete(fd)) return
      if (sockets.receiveByte(fd) === byte) whole += 1
    })
  return whole
}

/** Each has passed a byte before it counts: it stands on both sides. */
function open(count: number): void {
  const target = placeOf(to)
  const connecting = new Set<number>()
  const checking = new Set<number>()
  let failed = 0
  const end = Date.now() + deadlineMs
  while (all.length + failed < count && Date.now() < end) {
    while (
      connecting.size + checking.size < inFlight &&
      all.length + failed + connecting.size + checking.size < count
    ) {
      const fd = sockets.connect(from, target)
      if (fd < 0) {
        failed += 1
        continue
      }
      connecting.add(fd)
      // Edge-triggered: nothing is said twice.
      sockets.watch(fd, EPOLLIN | EPOLLOUT | (1 << 31))
    }
    sockets.wait(100, (fd, flags) => {
      if ((flags & (EPOLLERR | EPOLLHUP)) !== 0) {
        if (connecting.delete(fd) || checking.delete(fd)) failed += 1
        return
      }
      if (connecting.has(fd) && (flags & EPOLLOUT) !== 0) {
        connecting.delete(fd)
        checking.add(fd)
        sockets.sendByte(fd, 1)
      }
      if ((flags & EPOLLIN) !== 0 && checking.delete(fd)) {
        if (sockets.receiveByte(fd) === 1) all.push(fd)
        else failed += 1
      }
    })
  }
}

const startedAt = performance.now()
open(Number(wanted))
process.stdout.write(`${all.length} ${Math.round(performance.now() - startedAt)}\n`)
let round = 1
process.stdin.on('data', () => {
  round = (round % 250) + 1
  process.stdout.write(`${pass(all, round)}\n`)
})
process.stdin.once('end', () => process.exit(0))
