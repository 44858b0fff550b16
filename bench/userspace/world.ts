/** Client, director and server in three namespaces; every contender stands at a port of its own, side by side. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Chain, openChain } from '../../labs/net/namespaces.ts'

export type Contender = {
  readonly name: string
  readonly address: string
  readonly httpPort: number
  readonly bulkPort: number
  /** User and system time of its process so far; undefined for none. */
  cpuSeconds(): Promise<number | undefined>
}
export type World = AsyncDisposable & {
  readonly chain: Chain
  readonly contenders: readonly Contender[]
}
export type Wanted = { readonly name: string; readonly plane: 'haproxy' | 'epoll' | 'net'; readonly threads: number }

const webPorts = [8001, 8002]
const bulkPort = 5201
const client = 0
const director = 1
const server = 2

export async function openWorld(wanted: readonly Wanted[]): Promise<World> {
  const chain = await openChain(3)
  const directory = await mkdtemp(join(tmpdir(), 'baton-bench-'))
  const close = async (): Promise<void> => {
    await chain[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const web = chain.address(1, 2)
    await startServers(chain, directory)
    const contenders: Contender[] = [direct(web)]
    for (const [index, want] of wanted.entries()) {
      const ports = { httpPort: 9000 + 10 * index, bulkPort: 9001 + 10 * index }
      const address = chain.address(0, 2)
      const start = want.plane === 'haproxy' ? startHaproxy : startEngine
      const child = await start(chain, directory, want, { address, ...ports, web })
      contenders.push({ name: want.name, address, ...ports, cpuSeconds: () => cpuSeconds(child) })
    }
    for (const { address, httpPort } of contenders) await waitForPort(chain, address, httpPort)
    return { chain, contenders, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

const direct = (address: string): Contender => ({
  name: 'direct',
  address,
  httpPort: webPorts[0] ?? 0,
  bulkPort,
  cpuSeconds: async () => undefined,
})

async function startServers(chain: Chain, directory: string): Promise<void> {
  const config = join(directory, 'web.cfg')
  await writeFile(
    config,
    `global
  nbthread 2
  maxconn 5000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
frontend web
${webPorts.map((port) => `  bind :${port}`).join('\n')}
  http-request return status 200 content-type text/plain string "hello from a real server"
`,
  )
  chain.start(server, ['haproxy', '-q', '-db', '-f', config])
  chain.start(server, ['iperf3', '-s', '-p', String(bulkPort)]).stdout?.resume()
}

type Place = { readonly address: string; readonly httpPort: number; readonly bulkPort: number; readonly web: string }

async function startHaproxy(chain: Chain, directory: string, want: Wanted, at: Place): Promise<ChildProcess> {
  const config = join(directory, `${want.name}.cfg`)
  const servers = webPorts.map((port) => `  server web${port} ${at.web}:${port}`).join('\n')
  await writeFile(
    config,
    `global
  nbthread ${want.threads}
  maxconn 5000
defaults
  mode tcp
  timeout client 900s
  timeout server 900s
  timeout connect 5s
listen web
  bind ${at.address}:${at.httpPort}
  balance roundrobin
${servers}
listen bulk
  bind ${at.address}:${at.bulkPort}
  server bulk ${at.web}:${bulkPort}
`,
  )
  return chain.start(director, ['haproxy', '-q', '-db', '-f', config])
}

async function startEngine(chain: Chain, _: string, want: Wanted, at: Place): Promise<ChildProcess> {
  const program = new URL('./director.ts', import.meta.url).pathname
  const services = [
    [at.httpPort, ...webPorts.map((port) => `${at.web}:${port}`)].join(),
    [at.bulkPort, `${at.web}:${bulkPort}`].join(),
  ]
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), program, want.plane, String(want.threads)]
  const child = chain.start(director, [...command, at.address, ...services])
  if (child.stdout !== null) await once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) })
  return child
}

async function waitForPort(chain: Chain, address: string, port: number): Promise<void> {
  const script = `for i in $(seq 100); do (exec 3<>/dev/tcp/${address}/${port}) 2>/dev/null && exit 0; sleep 0.1; done; exit 1`
  await chain.run(client, ['bash', '-c', script])
}

const ticksPerSecond = 100

/** proc(5): fields 14 and 15 of stat. `ip netns exec` becomes the program, so its pid is the program's. */
async function cpuSeconds({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
