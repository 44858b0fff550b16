/** Gives back what comes, on each of the PORTs. */
import { createServer } from 'node:net'

for (const port of process.argv.slice(2))
  createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  }).listen({ host: '::', port: Number(port), backlog: 4096 })
