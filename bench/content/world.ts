/** On loopback: real servers, HAProxy in http mode and the engine under test, both with the same two rules. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, openLoopback } from '../../labs/net/loopback.ts'

export type Contender = {
  readonly name: string
  readonly httpPort: number
  readonly httpsPort: number | undefined
  /** User and system time of its process so far. */
  cpuSeconds(): Promise<number>
}
export type World = AsyncDisposable & { readonly contenders: readonly Contender[]; readonly directory: string }

const address = '127.0.0.1'

export async function openWorld(threads: number, bulkBytes: number): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-bench-'))
  const children: ChildProcess[] = []
  const close = async (): Promise<void> => {
    for (const child of children) {
      if (child.exitCode !== null) continue
      const ended = once(child, 'exit')
      child.kill()
      await ended
    }
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await using net = openLoopback()
    const ports: number[] = []
    for (let times = 0; times < 6; times++) ports.push((await net.freePlace()).port)
    const [own = 0, api = 0, peerHttp = 0, peerHttps = 0, ownHttp = 0, ownHttps = 0] = ports
    const files = await makeCertificate(directory)
    await writeFile(join(directory, 'blob'), Buffer.alloc(bulkBytes, 'x'))
    children.push(await haproxy(directory, 'servers', serversConfig(own, api, join(directory, 'blob'))))
    children.push(await haproxy(directory, 'peer', peerConfig(threads, peerHttp, peerHttps, files.both, own, api)))
    children.push(await engine([ownHttp, ownHttps], files, [own, api]))
    const [servers, peer, subject] = children
    const contenders = [
      { name: 'direct', httpPort: own, httpsPort: undefined, cpuSeconds: () => cpuSeconds(servers) },
      { name: 'haproxy', httpPort: peerHttp, httpsPort: peerHttps, cpuSeconds: () => cpuSeconds(peer) },
      { name: 'baton', httpPort: ownHttp, httpsPort: ownHttps, cpuSeconds: () => cpuSeconds(subject) },
    ]
    for (const { httpPort } of contenders)
      await eventually(`port ${httpPort} answers`, async () => {
        const said = await fetch(`http://${address}:${httpPort}/api`).catch(() => undefined)
        await said?.arrayBuffer()
        return said?.ok === true
      })
    return { contenders, directory, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

async function makeCertificate(directory: string) {
  const [certificate, key, both] = ['c.pem', 'k.pem', 'both.pem'].map((name) => join(directory, name))
  if (certificate === undefined || key === undefined || both === undefined) throw new Error('three names')
  await promisify(execFile)('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-keyout', key, '-out', certificate,
  ]) // biome-ignore format: the options of one command
  await writeFile(both, (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')))
  return { certificate, key, both }
}

const defaults = `defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
`

const serversConfig = (own: number, api: number, blob: string): string => `global
  nbthread 1
  maxconn 5000
  tune.bufsize 2097152
${defaults}
frontend web
  bind ${address}:${own}
  bind ${address}:${api}
  http-request return status 200 content-type application/octet-stream file ${blob} if { path /bulk }
  http-request return status 200 content-type text/plain string "hello from a real server"
`

const peerConfig = (
  threads: number,
  http: number,
  https: number,
  pem: string,
  own: number,
  api: number,
): string => `global
  nbthread ${threads}
  maxconn 5000
  ssl-default-bind-options ssl-min-ver TLSv1.2
${defaults}
frontend lb
  bind ${address}:${http}
  bind ${address}:${https} ssl crt ${pem}
  option forwardfor
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  use_backend api if { path_beg /api }
  default_backend own
backend api
  server a ${address}:${api}
backend own
  server a ${address}:${own}
`

async function haproxy(directory: string, name: string, text: string): Promise<ChildProcess> {
  const file = join(directory, `${name}.cfg`)
  await writeFile(file, text)
  return spawn('haproxy', ['-q', '-db', '-f', file], { stdio: ['ignore', 'inherit', 'inherit'] })
}

async function engine(
  fronts: readonly number[],
  files: { readonly certificate: string; readonly key: string },
  servers: readonly number[],
): Promise<ChildProcess> {
  const program = new URL('./director.ts', import.meta.url).pathname
  const options = [address, ...fronts.map(String), files.certificate, files.key, ...servers.map(String)]
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), program, ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data', { signal: AbortSignal.timeout(20_000) })
  return child
}

const ticksPerSecond = 100

/** proc(5): fields 14 and 15 of stat. */
async function cpuSeconds(child: ChildProcess | undefined): Promise<number> {
  const stat = await readFile(`/proc/${child?.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
