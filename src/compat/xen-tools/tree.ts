/**
 * A guest's volumes as a tree, for one command at a time: mounted in a mount namespace of the command's own, so that
 * whichever way it ends nothing stays mounted, no loop device is left, and nothing that it started goes on.
 */
import { InfraError } from '../../errors.ts'
import type { Host, RunOptions, RunResult } from '../../hosts/host.ts'

export type Mounted = { readonly path: string; readonly fs: string; readonly mountpoint: string }

/** What programs inside need: the kernel's folders, the host's way to names. And no daemon is started. */
const inside = `
for folder in proc dev sys run; do mkdir -p "$tree/$folder"; done
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount -t sysfs -o ro sysfs "$tree/sys"
mount -t tmpfs run "$tree/run"
if [ -f "$tree/etc/resolv.conf" ] && [ ! -L "$tree/etc/resolv.conf" ] && [ -e /etc/resolv.conf ]; then
  mount --bind /etc/resolv.conf "$tree/etc/resolv.conf"
fi
if [ -d "$tree/usr/sbin" ] && [ ! -e "$tree/usr/sbin/policy-rc.d" ]; then
  policy=$tree/usr/sbin/policy-rc.d
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
`

/**
 * $tree is where it is mounted; what else the script needs are its arguments. It is process 1 of its own process
 * namespace: what is left behind inside is ended, so that the volumes come free.
 */
function wholeScript(volumes: readonly Mounted[], isInside: boolean, script: string): string {
  const mounts = volumes.map(
    ({ fs, mountpoint }) =>
      `mkdir -p "$tree${mountpoint}"; mount -t ${fs} $([ -b "$1" ] || echo -o loop) -- "$1" "$tree${mountpoint}"; shift`,
  )
  return `
tree=$1; shift
policy=
mkdir -p "$tree"
finish() {
  code=$?
  cd /
  [ -z "$policy" ] || rm -f "$policy"
  umount -R "$tree" || { kill -KILL -1 || :; sleep 1; umount -R "$tree" || exit 1; }
  exit "$code"
}
mount -t tmpfs -o mode=755 tree "$tree"
trap finish EXIT
${mounts.join('\n')}
${isInside ? inside : ''}
${script}`
}

/** `what` is a verb phrase. @throws InfraError `failed` or `no-space` with what it said when it ends with another code than 0. */
export async function inTree(
  host: Host,
  what: string,
  volumes: readonly Mounted[],
  script: string,
  args: readonly string[],
  { isInside = false, ...options }: RunOptions & { readonly isInside?: boolean },
): Promise<RunResult> {
  const ordered = volumes.toSorted((a, b) => a.mountpoint.length - b.mountpoint.length)
  const apart = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child=KILL']
  const result = await host.run(
    [
      ...[...apart, 'sh', '-euc', wholeScript(ordered, isInside, script), 'sh', `${host.directories.runtime}/tree`],
      ...[...ordered.map(({ path }) => path), ...args],
    ],
    { ...options, environment: { LC_ALL: 'C', PATH: toolPath, ...options.environment } },
  )
  if (result.code === 0) return result
  throw commandFailure(what, result)
}

const toolPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export function commandFailure(what: string, { code, stdout, stderr }: RunResult): InfraError {
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-3).join('; ')
  const isFull = /No space left|Wrote only/.test(stderr)
  return new InfraError(isFull ? 'no-space' : 'failed', `${what}: ${said === '' ? `exit code ${code}` : said}`, {
    subject: what,
    ...(isFull ? { hint: 'give the guest a larger --size' } : {}),
  })
}

/** A command on the host that must succeed; resolves to its output. */
export async function must(host: Host, what: string, command: readonly string[], options: RunOptions): Promise<string> {
  const environment = { LC_ALL: 'C', PATH: toolPath, ...options.environment }
  const result = await host.run(command, { ...options, environment })
  if (result.code !== 0) throw commandFailure(what, result)
  return result.stdout
}
