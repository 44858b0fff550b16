/** A guest that xen-create-image makes on this machine, on a disk that the lab's Dom0 mounts at the very place. */
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCreateImage } from '../../src/compat/xen-tools/create/front.ts'
import { localHost } from '../../src/hosts/local/local.ts'

export type CreatedGuest = {
  readonly name: string
  /** Where its images were made, and are in Dom0, too. */
  readonly directory: string
  readonly config: string
}

export type GuestDisk = AsyncDisposable & { readonly directory: string; readonly disk: string }

/** A place for the guest, and the disk that will have it: there when the machine boots, filled while it does. */
export async function openGuestDisk(): Promise<GuestDisk> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-xen-created-'))
  const disk = `${directory}.disk`
  await writeFile(disk, '')
  await truncate(disk, diskBytes)
  return {
    directory,
    disk,
    async [Symbol.asyncDispose]() {
      await rm(directory, { recursive: true, force: true })
      await rm(disk, { force: true })
      await rm(`/var/log/xen-tools/${name}.log`, { force: true })
    },
  }
}

const name = 'lpic'
const diskBytes = 2 * 1024 ** 3

/** By the command line that the original's guest does not boot with. The first time its base is made: minutes. */
export async function createGuest(
  { directory, disk }: Pick<GuestDisk, 'directory' | 'disk'>,
  signal: AbortSignal,
): Promise<CreatedGuest> {
  const host = localHost()
  await mkdir(`${directory}/etc`)
  const place = [`--dir=${directory}`, `--output=${directory}/etc`, '--nohosts', '--bridge=xenbr0', '--dhcp']
  const machine = ['--vcpus=1', '--memory=256M', '--maxmem=256M', '--size=1500M', '--swap=64M', '--dist=bookworm']
  const said: string[] = []
  const words = [`--hostname=${name}`, ...place, ...machine]
  const { code, stderr } = await runCreateImage(host, words, (text) => said.push(text), { signal })
  if (code !== 0) throw new Error(`xen-create-image: ${code}: ${stderr}${said.join('')}`)
  const config = await readFile(`${directory}/etc/${name}.cfg`, 'utf8')
  const made = await host.run(['mke2fs', '-q', '-F', '-t', 'ext4', '-d', directory, disk], { signal })
  if (made.code !== 0) throw new Error(made.stderr)
  return { name, directory, config }
}
