import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { eventually, openLoopback, readText, sleep } from '../../../labs/net/loopback.ts'

const descriptors = 120
const ticksPerSecond = 100

async function cpuSeconds({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

describe.each(['epoll', 'net'])('the %s plane out of file descriptors', (plane) => {
  test('rests instead of spinning, and serves again when some are free', async () => {
    await using net = openLoopback()
    const echo = await net.tcpServer((socket) => socket.on('end', () => socket.end()).pipe(socket))
    const place = await net.freePlace()
    const program = fileURLToPath(new URL('../../../bench/userspace/director.ts', import.meta.url))
    const service = `${place.port},${echo.address}:${echo.port}`
    const node = [process.execPath, '--import', import.meta.resolve('tsx'), program, plane, '2', place.address, service]
    const child = spawn('bash', ['-c', `ulimit -n ${descriptors}; exec "$@"`, 'bash', ...node], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    try {
      await once(child.stdout, 'data')
      const clients: Socket[] = []
      // Those beyond the limit wait in the kernel's queue, or are reset.
      for (let made = 0; made < descriptors; made++) {
        const client = await net.dial(place).catch(() => undefined)
        if (client !== undefined) clients.push(client)
      }
      await sleep(300)
      const before = await cpuSeconds(child)
      await sleep(1500)
      expect((await cpuSeconds(child)) - before).toBeLessThan(0.5)
      for (const client of clients) client.destroy()
      await eventually('a new client is served', async () => {
        const client = await net.dial(place).catch(() => undefined)
        client?.write('hello')
        return client !== undefined && (await readText(client, 1000).catch(() => '')) === 'hello'
      })
    } finally {
      child.kill('SIGKILL')
    }
  })
})
