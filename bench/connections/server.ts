/** A real server that gives every byte back: `server.ts ADDRESS`. Says its port, ends with its standard input. */
import { EPOLLIN } from '../../src/os/sockets.ts'
import { openSockets } from './sockets.ts'

const sockets = openSockets()
const listener = sockets.listen({ address: process.argv[2] ?? '127.0.0.1', port: 0 })
sockets.watch(listener.fd, EPOLLIN)

function serve(fd: number): void {
  if (fd !== listener.fd) {
    const byte = sockets.receiveByte(fd)
    if (byte < 0 || !sockets.sendByte(fd, byte)) sockets.close(fd)
    return
  }
  for (let client = sockets.accept(listener.fd); client >= 0; client = sockets.accept(listener.fd))
    sockets.watch(client, EPOLLIN)
}

function turn(): void {
  sockets.wait(1000, serve)
  setImmediate(turn)
}

process.stdin.resume().once('end', () => process.exit(0))
process.stdout.write(`${listener.port}\n`)
turn()
