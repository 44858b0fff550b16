/** A real systemd as the first process of namespaces, over a copy-on-write view of this machine's files: seconds, where a machine takes minutes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions, RunResult } from '../../src/hosts/host.ts'
import { localHost } from '../../src/hosts/local/local.ts'

export type Systemd = AsyncDisposable & {
  /** Runs a shell's lines in there. */
  run(script: string, options: CallOptions): Promise<RunResult>
  /** Until its first process has ended, after `systemctl poweroff`. */
  ended(options: CallOptions): Promise<void>
}

/** What it has written, from one boot to the next. */
export type Disk = AsyncDisposable & { readonly directory: string }

export async function openDisk(): Promise<Disk> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-systemd-'))
  return {
    directory,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

const checkout = join(import.meta.dirname, '../..')

/**
 * $1 the disk, $2 the checkout. Nothing that speaks to the kernel of all is writable: systemd then leaves devices, sysctls
 * and modules alone, as in any container. Of the machine's own services none is started.
 */
const enter = `
set -e
mkdir -p "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root "$1/root"
cd "$1/root"
mkdir -p ".$2" && mount --rbind "$2" ".$2"
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sys sys
for folder in dev run tmp sys/fs/cgroup; do mount -t tmpfs -o mode=755 none $folder; done
chmod 1777 tmp
for device in null zero full random urandom tty; do : > dev/$device; mount --bind /dev/$device dev/$device; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
mount -t cgroup2 none sys/fs/cgroup/unified || :
mount -t cgroup -o none,name=systemd,xattr none sys/fs/cgroup/systemd || :
mkdir -p var/log/journal etc/systemd/system
ln -sfn /lib/systemd/system/multi-user.target etc/systemd/system/default.target
if [ ! -e "$1/begun" ]; then
  rm -rf var/lib/baton var/log/journal/* etc/systemd/system/*.wants
  : > "$1/begun"
fi
exec env -i container=lab "PATH=$PATH" chroot . /lib/systemd/systemd --show-status=no
`

/** Boots it. @throws Error when its manager does not answer. */
export async function bootSystemd(disk: Disk, options: CallOptions): Promise<Systemd> {
  const spaces = '--mount --pid --fork --kill-child=KILL --uts --ipc --net --cgroup --propagation private'.split(' ')
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', 'unshare', ...spaces, 'sh', '-c', enter, 'sh', disk.directory, checkout],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  const ended = endOf(child)
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    const init = await firstProcess(child, options)
    const into = ['nsenter', '--target', init, '--mount', '--pid', '--uts', '--ipc', '--net', '--root']
    const run: Systemd['run'] = (script, each) => localHost().run([...into, 'sh', '-c', `cd / && { ${script}\n}`], each)
    while (!/running|degraded/.test((await run('systemctl is-system-running', options)).stdout))
      await sleep(200, undefined, options)
    return {
      run,
      async ended({ signal }) {
        while (child.exitCode === null && child.signalCode === null) await sleep(100, undefined, { signal })
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** The one child of unshare(1), once it is systemd. */
async function firstProcess({ pid = 0, exitCode }: ChildProcess, options: CallOptions): Promise<string> {
  for (;;) {
    const { stdout } = await localHost().run(['pgrep', '--parent', String(pid), '--exact', 'systemd'], options)
    if (stdout !== '') return stdout.trim()
    if (exitCode !== null) throw new Error(`systemd has ended with ${exitCode}`)
    await sleep(100, undefined, options)
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
}
