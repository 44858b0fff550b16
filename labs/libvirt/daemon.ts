/**
 * A libvirtd of its own: in a mount namespace where everything that it writes lies below one directory, so that it sees
 * nothing of the machine's and leaves nothing there. Guests run under TCG, as root, beside the test.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { findDaemon, openLibvirt } from '../../src/guests/libvirt/open.ts'
import { localHost } from '../../src/hosts/local/local.ts'

const startMs = 30_000

export type LibvirtDaemon = AsyncDisposable & {
  /** For LIBVIRT_DEFAULT_URI, virsh(1) and Baton alike. */
  readonly uri: string
  /** Runs what follows where the daemon is: its `/var/lib/libvirt` and its sockets are the machine's there. */
  readonly within: readonly string[]
  /** Its `/run/libvirt`, as everybody finds it. */
  readonly runtime: string
  /** The QEMU process of a guest that runs. */
  readonly pidOf: (guest: string) => Promise<number>
  /** Ends the daemon without a word, as the kernel's out-of-memory killer does; its guests run on. */
  kill(): Promise<void>
  /** After `kill`: takes up the guests that run. */
  start(): Promise<void>
}

// Debian's user for QEMU comes with libvirt-daemon-system, whose services nobody needs here: libvirtd only wants its name.
const script = `
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
mkdir -p /run/lock /run/libvirt "$1/run"
mount --bind "$1/run" /run/libvirt
for directory in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
  mkdir -p "$1$directory" "$directory"
  mount --bind "$1$directory" "$directory"
done
for file in passwd group; do
  grep -v ^libvirt-qemu: /etc/$file > "$1/$file"
done
echo libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin >> "$1/passwd"
echo libvirt-qemu:x:64055: >> "$1/group"
for file in passwd group; do mount --bind "$1/$file" /etc/$file; done
cat > /etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
cgroup_controllers = [ ]
END
cat > /etc/libvirt/libvirtd.conf <<END
auth_unix_rw = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
END
mkdir -p /var/lib/libvirt/boot
echo ready
exec cat
`

/** `ownNetwork`: in a network namespace, too, where it may make bridges. */
export async function startLibvirt({ ownNetwork = false } = {}): Promise<LibvirtDaemon> {
  const root = await mkdtemp(join(tmpdir(), 'baton-libvirtd-'))
  // The namespace is held by a process of its own, so that the daemon may end and begin again in it.
  const spaces = ['--mount', ...(ownNetwork ? ['--net'] : [])]
  const place = spawn('unshare', [...spaces, '--propagation', 'private', 'sh', '-c', script, 'sh', root], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const left = once(place, 'close')
  const within = ['nsenter', ...spaces, '--target', String(place.pid)]
  const runtime = join(root, 'run')
  const uri = `qemu:///system?socket=${runtime}/libvirt-sock`
  let daemon: RunningDaemon | undefined
  const stop = async (): Promise<void> => {
    if (daemon !== undefined) {
      await endAll(uri).catch(() => {})
      await daemon.end('SIGTERM')
    }
    place.stdin.end()
    await left
    await rm(root, { recursive: true, force: true, maxRetries: 5 })
  }
  const start = async (): Promise<void> => {
    daemon = await runDaemon(within, uri)
  }
  try {
    let said = ''
    place.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString()))
    if (!String(await firstWords(place.stdout)).startsWith('ready')) throw new Error(`no place for libvirtd:\n${said}`)
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    uri,
    within,
    runtime,
    pidOf: async (guest) => Number(await readFile(`${runtime}/qemu/${guest}.pid`, 'utf8')),
    start,
    async kill() {
      await daemon?.end('SIGKILL')
      daemon = undefined
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** '' when there are none. */
async function firstWords(stream: Readable): Promise<unknown> {
  const [words] = (await Promise.race([once(stream, 'data'), once(stream, 'end')])) as unknown[]
  return words ?? ''
}

type RunningDaemon = { end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> }

/** Resolves once it answers. */
async function runDaemon(within: readonly string[], uri: string): Promise<RunningDaemon> {
  const [program, ...words] = [...within, 'libvirtd']
  const daemon = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  daemon.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4_000)
  })
  const ended = once(daemon, 'close')
  const end: RunningDaemon['end'] = async (signal) => {
    daemon.kill(signal)
    const patience = setTimeout(() => daemon.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(patience)
  }
  for (const until = performance.now() + startMs; !(await answers(uri)); await sleep(50))
    if (performance.now() > until || daemon.exitCode !== null) {
      await end('SIGKILL')
      throw new Error(`libvirtd does not start:\n${said}`)
    }
  return { end }
}

async function answers(uri: string): Promise<boolean> {
  return withUri(uri, async () => {
    const options = { signal: AbortSignal.timeout(startMs) }
    try {
      const connection = await openLibvirt(localHost(), await findDaemon(localHost(), options), options)
      connection.close()
      return true
    } catch {
      return false
    }
  })
}

/** Whatever a failed test has left running goes with its daemon. */
async function endAll(uri: string): Promise<void> {
  await withUri(uri, async () => {
    const options = { signal: AbortSignal.timeout(20_000) }
    const connection = await openLibvirt(localHost(), await findDaemon(localHost(), options), options)
    const [running] = await connection.call('connectListAllDomains', [1, 1], options)
    // One that has just ended by itself does not keep the others.
    for (const domain of running) await connection.call('domainDestroyFlags', [domain, 0], options).catch(() => {})
    // A network's dnsmasq outlives the daemon.
    const [networks] = await connection.call('connectListAllNetworks', [1, 2], options)
    for (const network of networks) await connection.call('networkDestroy', [network], options)
    connection.close()
  })
}

/** The environment says which daemon is meant, as it does for users. */
export async function withUri<T>(uri: string, use: () => Promise<T>): Promise<T> {
  const before = process.env['LIBVIRT_DEFAULT_URI']
  process.env['LIBVIRT_DEFAULT_URI'] = uri
  try {
    return await use()
  } finally {
    if (before === undefined) delete process.env['LIBVIRT_DEFAULT_URI']
    else process.env['LIBVIRT_DEFAULT_URI'] = before
  }
}
