/** A network of its own for both directors, with real servers on loopback; nothing of it reaches the machine's. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate } from '../../test/build/servers.ts'
import { type RealServers, startRealServers } from './real-servers.ts'

export type World = AsyncDisposable & {
  readonly directory: string
  readonly servers: RealServers
  /** Starts a program in this network; it is killed with the world. */
  start(command: readonly string[], options: SpawnOptions): ChildProcess
}

/** Names that configurations use; in the world nobody else knows any. */
const hosts = `127.0.0.1 localhost
10.9.0.1 alpha.lab alpha
10.9.0.2 beta.lab beta
10.0.0.9 vip.lab
fd09::1 six.lab
`

/**
 * A whole network on lo is local: every address of it answers. What is written below /run and /var/log stays in the
 * world, names come from `hosts` alone, and 10.66.0.0/16 swallows whatever is sent there.
 */
const begin = `
ip link set lo up
ip addr add 10.9.0.1/16 dev lo
ip addr add 192.168.6.1/24 dev lo
ip -6 addr add fd09::1/64 dev lo nodad
ip -6 addr add fd09::3/64 dev lo nodad
ip -6 route add local fd09::/64 dev lo
ip link add hole type bridge
ip link set hole up
ip route add 10.66.0.0/16 dev hole
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mount --bind "$0/hosts" /etc/hosts
mount --bind /dev/null /etc/resolv.conf
echo ready
exec cat
`

export async function openWorld(): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'bl-'))
  writeFileSync(join(directory, 'hosts'), hosts)
  const { cert, key } = makeCertificate()
  const trusted = { LAB_CERTIFICATE: join(directory, 'cert.pem'), LAB_KEY: join(directory, 'key.pem') }
  writeFileSync(trusted.LAB_CERTIFICATE, cert)
  writeFileSync(trusted.LAB_KEY, key)
  const holder = spawn('unshare', ['--net', '--mount', 'sh', '-ec', begin, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    holder.stdout.once('data', () => resolve())
    holder.once('exit', (code) => {
      rmSync(directory, { recursive: true, force: true })
      reject(new Error(`the network was not made: ${code}`))
    })
  })
  const children = new Set<ChildProcess>()
  const start: World['start'] = (command, options) => {
    const inside = ['-t', String(holder.pid), '-n', '-m', 'sh', '-c', 'cd "$0" && exec "$@"']
    const cwd = String(options.cwd ?? directory)
    const environment = { ...(options.env ?? process.env), ...trusted, SSL_CERT_FILE: trusted.LAB_CERTIFICATE }
    const child = spawn('nsenter', [...inside, cwd, ...command], { ...options, env: environment, cwd: '/' })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const servers = await startRealServers(start)
  return {
    directory,
    servers,
    start,
    async [Symbol.asyncDispose]() {
      const ended = [...children].map((child) => new Promise((resolve) => child.once('exit', resolve)))
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(ended)
      holder.stdin.end()
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
