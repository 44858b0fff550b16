/** What is asked of each contender: new connections, requests on standing ones, bulk, small datagrams. */
import { setTimeout as pause } from 'node:timers/promises'
import { processorSeconds } from './processor.ts'
import { type Contender, client, ports, server, serverDevice, type Way } from './world.ts'

/** `micros`: of processor time for each, by all that take part; where that is measured. */
export type Measured = { readonly perSecond: number; readonly micros: number | undefined }

export const figures = ['connect/s', 'request/s', 'bulk Gbit/s', 'small UDP/s'] as const
export type Figure = (typeof figures)[number]

/** HAProxy carries no UDP here. */
export function canCarry(way: Way, figure: Figure): boolean {
  return figure !== 'small UDP/s' || way !== 'haproxy'
}

export async function measure(contender: Contender, figure: Figure, seconds: number): Promise<Measured> {
  switch (figure) {
    case 'connect/s':
      return await web(contender, ['-H', 'Connection: close'], seconds)
    case 'request/s':
      return await web(contender, [], seconds)
    case 'bulk Gbit/s':
      return { perSecond: (await bulk(contender, seconds)) / 1e9, micros: undefined }
    case 'small UDP/s':
      return { perSecond: await small(contender, seconds), micros: undefined }
  }
}

async function web({ chain, address }: Contender, headers: readonly string[], seconds: number): Promise<Measured> {
  const url = `http://${address}:${ports.http}/`
  const words = ['wrk', '-t', '1', '-c', '64', '-d', `${seconds}s`, ...headers, url]
  // The shell tells what its child took.
  const command = ['bash', '-c', '"$@"; times', 'bash', ...words]
  const before = await processorSeconds(chain)
  const text = await chain.run(client, command, (seconds + 20) * 1000)
  const others = (await processorSeconds(chain)) - before
  if (/Socket errors|Non-2xx/u.test(text)) console.log(text)
  const own = [...(text.split('\n').at(-2) ?? '').matchAll(/(\d+)m([\d.]+)s/gu)]
  const total = own.reduce((sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest), others)
  const requests = Number(/(\d+) requests in/u.exec(text)?.[1])
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/u.exec(text)?.[1]), micros: (total * 1e6) / requests }
}

async function bulk({ chain, address }: Contender, seconds: number): Promise<number> {
  const command = ['iperf3', '-c', address, '-p', String(ports.bulk), '-t', String(seconds), '--json', '-P', '2']
  // One retry: iperf3's server takes one client at a time and is sometimes still busy with the last.
  const run = (): Promise<string> => chain.run(client, command, (seconds + 20) * 1000)
  const { end } = JSON.parse(await run().catch(() => pause(500).then(run))) as {
    end: { sum_received: { bits_per_second: number } }
  }
  return end.sum_received.bits_per_second
}

/** Those that arrive. */
async function small({ chain, address }: Contender, seconds: number): Promise<number> {
  const program = new URL('./flood.ts', import.meta.url).pathname
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), program, address, String(ports.small)]
  const arrived = async (): Promise<number> => {
    const text = await chain.run(server, ['ip', '-s', '-j', 'link', 'show', serverDevice])
    const [link] = JSON.parse(text) as { stats64: { rx: { packets: number } } }[]
    return link?.stats64.rx.packets ?? 0
  }
  const before = await arrived()
  await chain.run(client, [...command, String(1000 * seconds)], (seconds + 20) * 1000)
  return ((await arrived()) - before) / seconds
}
