/** A guest that xen-create-image makes on this machine, on a disk that the lab's Dom0 mounts at the very place. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCreateImage } from '../../src/compat/xen-tools/create/front.ts'
import { localHost } from '../../src/hosts/local/local.ts'

export type CreatedGuest = AsyncDisposable & {
  readonly name: string
  /** Where its images were made, and are in Dom0, too. */
  readonly directory: string
  /** The file system with them. */
  readonly disk: string
  readonly config: string
}

/** By the command line that the original's guest does not boot with. The first time its base is made: minutes. */
export async function createGuest(signal: AbortSignal): Promise<CreatedGuest> {
  const [host, name] = [localHost(), 'lpic']
  const directory = await mkdtemp(join(tmpdir(), 'baton-xen-created-'))
  const dispose = async (): Promise<void> => {
    await rm(directory, { recursive: true, force: true })
    await rm(`${directory}.disk`, { force: true })
    await rm(`/var/log/xen-tools/${name}.log`, { force: true })
  }
  try {
    await mkdir(`${directory}/etc`)
    const place = [`--dir=${directory}`, `--output=${directory}/etc`, '--nohosts', '--bridge=xenbr0', '--dhcp']
    const machine = ['--vcpus=1', '--memory=256M', '--maxmem=256M', '--size=1500M', '--swap=64M', '--dist=bookworm']
    const said: string[] = []
    const words = [`--hostname=${name}`, ...place, ...machine]
    const { code, stderr } = await runCreateImage(host, words, (text) => said.push(text), { signal })
    if (code !== 0) throw new Error(`xen-create-image: ${code}: ${stderr}${said.join('')}`)
    const config = await readFile(`${directory}/etc/${name}.cfg`, 'utf8')
    const script = 'truncate -s 2G "$2"; mke2fs -q -t ext4 -d "$1" "$2"'
    const made = await host.run(['sh', '-euc', script, 'sh', directory, `${directory}.disk`], { signal })
    if (made.code !== 0) throw new Error(made.stderr)
    return { name, directory, disk: `${directory}.disk`, config, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}
