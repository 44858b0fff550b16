/** A client, a director and a server for each contender by itself: what one does to its packets, no other pays for. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unwrapTunnels } from '../../labs/ebpf/topology.ts'
import { type Chain, openChain } from '../../labs/net/namespaces.ts'
import type { Forwarding } from '../../src/lvs/service.ts'

export const ways = ['routing', 'masq', 'direct', 'tunnel', 'nftables', 'haproxy'] as const
/**
 * Where the kernel has its own IPVS: this machine's usually has not, the guest's has. By NAT: it takes only packets to an address
 * of its own, which here, where replies come by the director, too, goes with no other way.
 */
export const guestWays = ['routing', 'masq', 'ipvs'] as const
export type Way = (typeof ways)[number] | (typeof guestWays)[number]

type EngineWay = { readonly engine: 'ebpf' | 'ipvs'; readonly forwarding: Forwarding }
const engineWays: Readonly<Partial<Record<Way, EngineWay>>> = {
  masq: { engine: 'ebpf', forwarding: 'masq' },
  direct: { engine: 'ebpf', forwarding: 'direct' },
  tunnel: { engine: 'ebpf', forwarding: 'tunnel' },
  ipvs: { engine: 'ipvs', forwarding: 'masq' },
}

export type Contender = AsyncDisposable & { readonly name: Way; readonly chain: Chain; readonly address: string }

export const ports = { http: 8001, bulk: 5201, small: 5301 } as const
/** Places in the chain. */
export const [client, director, server] = [0, 1, 2]
/** The server's end of its link. */
export const serverDevice = 'left1'
const balanced = '10.200.0.1'

export async function openContender(name: Way): Promise<Contender> {
  const chain = await openChain(3, `${name}-`)
  const directory = await mkdtemp(join(tmpdir(), 'baton-bench-'))
  const close = async (): Promise<void> => {
    await chain[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const real = chain.address(1, 2)
    const address = name === 'routing' ? real : balanced
    // The server has the address itself. Replies come by the director, too, and would be taken for forged if it were its own.
    const engine = engineWays[name]
    const isServers = engine?.forwarding === 'direct' || engine?.forwarding === 'tunnel'
    await chain.run(client, ['ip', 'route', 'add', balanced, 'via', chain.address(0, 2)])
    if (name !== 'routing')
      await chain.run(isServers ? server : director, ['ip', 'address', 'add', `${balanced}/32`, 'dev', 'lo'])
    if (name === 'tunnel') await unwrapTunnels(chain.namespaces[server] ?? '', serverDevice)
    await startServers(chain, directory)
    if (engine !== undefined) await startEngine(chain, engine, address, real)
    if (name === 'nftables') await startNftables(chain, directory, address, real)
    if (name === 'haproxy') await startHaproxy(chain, directory, address, real)
    await waitForPort(chain, address, ports.http)
    return { name, chain, address, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

const defaults = 'defaults\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n'

async function startServers(chain: Chain, directory: string): Promise<void> {
  const config = join(directory, 'web.cfg')
  await writeFile(
    config,
    `global\n  nbthread 2\n  maxconn 5000\n${defaults}  mode http\nfrontend web\n  bind :${ports.http}
  http-request return status 200 content-type text/plain string "hello from a real server"\n`,
  )
  chain.start(server, ['haproxy', '-q', '-db', '-f', config])
  chain.start(server, ['iperf3', '-s', '-p', String(ports.bulk)]).stdout?.resume()
  // Stops reading when the pipe is full: what arrives is counted at the interface, and to be cheap.
  chain.start(server, ['socat', '-u', `UDP4-RECV:${ports.small},rcvbuf=1`, `PIPE:${join(directory, 'full')}`])
}
async function startEngine(
  chain: Chain,
  { engine, forwarding }: EngineWay,
  address: string,
  real: string,
): Promise<void> {
  const program = new URL('./director.ts', import.meta.url).pathname
  const tsx = import.meta.resolve('tsx')
  const command = [process.execPath, '--import', tsx, program, engine, forwarding, address, real]
  const child = chain.start(director, [...command, ...Object.values(ports).map(String)])
  if (child.stdout !== null) await once(child.stdout, 'data', { signal: AbortSignal.timeout(120_000) })
}

async function startNftables(chain: Chain, directory: string, address: string, real: string): Promise<void> {
  const rules = join(directory, 'rules.nft')
  await writeFile(
    rules,
    `table ip balance {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr ${address} dnat to ${real}
  }
}\n`,
  )
  await chain.run(director, ['nft', '-f', rules])
}

async function startHaproxy(chain: Chain, directory: string, address: string, real: string): Promise<void> {
  const config = join(directory, 'proxy.cfg')
  const listen = Object.entries(ports).map(
    ([name, port]) => `listen ${name}\n  bind ${address}:${port}\n  server real ${real}:${port}\n`,
  )
  await writeFile(config, `global\n  nbthread 2\n  maxconn 5000\n${defaults}  mode tcp\n${listen.join('')}`)
  chain.start(director, ['haproxy', '-q', '-db', '-f', config])
}

async function waitForPort(chain: Chain, address: string, port: number): Promise<void> {
  const script = `for i in $(seq 100); do (exec 3<>/dev/tcp/${address}/${port}) 2>/dev/null && exit 0; sleep 0.1; done; exit 1`
  await chain.run(client, ['bash', '-c', script])
}
