/**
 * Small datagrams as fast as one thread can send them: `flood.ts ADDRESS PORT MILLISECONDS`. Many to a system call, so that
 * what is measured is what happens to them on the way.
 */
import { libc } from '../../src/os/libc.ts'
import { writeSockaddr } from '../../src/os/socket-address.ts'
import { AF_INET, loadSocketCalls, pinned, SOCK_DGRAM } from '../../src/os/sockets.ts'

const payloadBytes = 64
const datagrams = 64
/** struct mmsghdr: a msghdr, whose vector of one struct iovec stands at byte 16, and the length that was sent. */
const messageBytes = 64
const vectorBytes = 16

const [address = '', port = '', milliseconds = ''] = process.argv.slice(2)
const calls = loadSocketCalls()
const sendMany = libc().func('int sendmmsg(int, int64_t, unsigned int, int)')
const fd = calls.socket(AF_INET, SOCK_DGRAM, 0)
const to = pinned(28)
const words = [address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0)]
const length = writeSockaddr(to.bytes, 0, words, Number(port))
if (calls.connect(fd, to.address, length) < 0) throw new Error(`connect to ${address}: ${calls.errno()}`)

const payload = pinned(payloadBytes)
const messages = pinned(datagrams * messageBytes)
const vector = pinned(vectorBytes)
vector.bytes.writeBigUInt64LE(BigInt(payload.address), 0)
vector.bytes.writeBigUInt64LE(BigInt(payloadBytes), 8)
for (let index = 0; index < datagrams; index++) {
  messages.bytes.writeBigUInt64LE(BigInt(vector.address), index * messageBytes + 16)
  messages.bytes.writeBigUInt64LE(1n, index * messageBytes + 24)
}
const end = performance.now() + Number(milliseconds)
while (performance.now() < end) sendMany(fd, messages.address, datagrams, 0)
process.exit(0)
