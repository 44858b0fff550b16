/** Running xl(1), and what it says when something is wrong in words that say what to do. */
import { type InfraCode, InfraError, isInfraError } from '../../errors.ts'
import { type Domain, parseDomains } from '../../formats/xl/list.ts'
import type { Host, RunResult } from '../../hosts/host.ts'
import type { CallOptions } from '../hypervisor.ts'

type Complaint = { readonly pattern: RegExp; readonly code: InfraCode; readonly hint: string }

/** xl's words (Xen 4.14 to 4.20); the first that is found counts, so that causes stand before their consequences. */
const complaints: readonly Complaint[] = [
  {
    pattern: /Can't find hypervisor information|Could not obtain handle on privileged command|cannot open libxc handle/,
    code: 'unsupported',
    hint: 'this host does not run under Xen: boot its entry "with Xen hypervisor" (baton host check tells more)',
  },
  { pattern: /Permission denied|Operation not permitted/, code: 'permission', hint: 'only root may use xl' },
  { pattern: /is an invalid domain identifier/, code: 'not-found', hint: 'baton list shows all guests' },
  {
    pattern: /Domain with name ".*" already exists/,
    code: 'already-exists',
    hint: 'a domain of this name runs, or is just ending: see xl list',
  },
  {
    pattern: /can't allocate low memory|Out of memory|failed to free memory|Cannot allocate memory/,
    code: 'no-space',
    hint: 'Xen has not that much memory free (xl info free_memory): end a guest, or give Dom0 less by dom0_mem',
  },
  {
    pattern: /segment kernel too large|segment ramdisk too large/,
    code: 'invalid',
    hint: 'the guest has less memory than its kernel and ramdisk need: give it more',
  },
  {
    pattern: /Could not find bridge device (\S+)/,
    code: 'not-found',
    hint: 'make the bridge on the host first: ip link add NAME type bridge, or baton host prepare --as xen',
  },
  {
    pattern: /is mounted in a guest domain|is mounted in the privileged domain|is already mounted/,
    code: 'busy',
    hint: 'another guest, or the host itself, uses this disk',
  },
  {
    pattern: /failed to stat: |failed to open file '/,
    code: 'not-found',
    hint: 'a file or device that the configuration names is not there',
  },
  {
    pattern: /neither hap nor shadow paging available|HVM guests? (is|are) not supported/i,
    code: 'unsupported',
    hint: 'PVH and HVM need a CPU with EPT or NPT, switched on in the firmware; type pv runs everywhere',
  },
  {
    pattern: /device model \S+ is not executable/,
    code: 'missing-tool',
    hint: 'guests of the type hvm, and disks in qcow2, need a QEMU in Dom0: baton host prepare --as xen installs it',
  },
  {
    pattern: /bootloader failed|Unable to find partition containing kernel|cannot run bootloader/,
    code: 'invalid',
    hint: 'pygrub finds no boot menu with a kernel on the first disk: look into /var/log/xen/bootloader.*.log',
  },
  {
    pattern: /console tty: timed out|xenconsoled/,
    code: 'failed',
    hint: 'xenconsoled does not run: /etc/init.d/xen start; with --log it needs the directory /var/log/xen/console',
  },
  {
    pattern: /killing execution of .*hotplug|killing execution of \/etc\/xen\/scripts/,
    code: 'timeout',
    hint: "Xen's script for a disk or card does not end: see /var/log/xen/xen-hotplug.log",
  },
  {
    pattern: /guest didn't acknowledge suspend/,
    code: 'timeout',
    hint: 'the guest does not answer: its kernel needs the Xen drivers; it runs on',
  },
  {
    pattern: /Failed to enable logdirty/,
    code: 'unsupported',
    hint: "Debian's hypervisor has no shadow paging, which moving a running PV guest needs: save it and restore it there",
  },
  {
    pattern: /overcommmitting/,
    code: 'invalid',
    hint: 'the host has not that many CPUs: xl vcpu-set --ignore-host does it all the same',
  },
  {
    pattern: /Device .* not connected|is not a (?:valid )?device/,
    code: 'not-found',
    hint: 'xl block-list and xl network-list show what it has',
  },
  { pattern: /No space left on device/, code: 'no-space', hint: 'free some space on that file system' },
]

/** Lines that follow every failure and say nothing of its cause. */
const aftermath =
  /cannot \(re-\)build domain|Non-existant domain|Unable to destroy guest|Destruction of domain failed|^Parsing config/

/** The cause of a failure as an error with its hint. `what` is a verb phrase. */
export function xlFailure(what: string, subject: string, { code, stdout, stderr }: RunResult): InfraError {
  const lines = `${stderr}\n${stdout}`
    .split('\n')
    .map((line) => line.replace(/^(libxl|xc|xl): (error|panic): |^libxl: error: \S+ /, '').trim())
    .filter((line) => line !== '' && !aftermath.test(line))
  const known = complaints.find(({ pattern }) => lines.some((line) => pattern.test(line)))
  const line = lines.find((text) => (known === undefined ? true : known.pattern.test(text))) ?? `exit code ${code}`
  return new InfraError(known?.code ?? 'failed', `${what}: xl says: ${withoutPlace(line)}`, {
    subject,
    retryable: known?.code === 'timeout' || known?.code === 'busy',
    ...(known === undefined ? {} : { hint: known.hint }),
  })
}

/** `libxl_device.c:302:libxl__device_disk_set_backend: Disk …` without the place in its source. */
function withoutPlace(line: string): string {
  return line.replace(/^\S+\.c:\d+:\s*\w*:?\s*/, '')
}

/** @throws InfraError `missing-tool` without xl; a code that is not 0 is a value. */
export async function runXl(host: Host, args: readonly string[], options: CallOptions): Promise<RunResult> {
  return host.run(['xl', ...args], { ...options, environment: { LC_ALL: 'C' } }).catch((error: unknown) => {
    if (!isInfraError(error, 'missing-tool')) throw error
    const hint = 'make the host ready for Xen: baton host prepare --as xen'
    throw new InfraError('missing-tool', 'xl is not installed', { subject: 'xl', cause: error, hint })
  })
}

/** @throws InfraError with the cause when it fails. */
export async function mustXl(
  host: Host,
  what: string,
  subject: string,
  args: readonly string[],
  options: CallOptions,
): Promise<string> {
  const result = await runXl(host, args, options)
  if (result.code !== 0) throw xlFailure(what, subject, result)
  return result.stdout
}

/** All domains but Domain-0. */
export async function listDomains(host: Host, options: CallOptions): Promise<readonly Domain[]> {
  const text = await mustXl(host, 'list the domains', 'xl', ['list', '-v'], options)
  return parseDomains(text).filter(({ id }) => id !== 0)
}
