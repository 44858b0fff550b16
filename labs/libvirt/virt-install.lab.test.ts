import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildDomains, type HostFacts } from '../../src/compat/virt-install/build.ts'
import { hostFacts } from '../../src/compat/virt-install/host.ts'
import { readOptions } from '../../src/compat/virt-install/options.ts'
import { findDaemon, openLibvirt } from '../../src/guests/libvirt/open.ts'
import { localHost } from '../../src/hosts/local/local.ts'
import { commandLines, shellWords } from './command-lines.ts'
import { type LibvirtDaemon, startLibvirt, withUri } from './daemon.ts'
import { domainsOf, meaningOf } from './meaning.ts'

const host = localHost()
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(150_000) })

let daemon: LibvirtDaemon
let directory: string
let facts: HostFacts
const before = process.cwd()

async function run(...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await host.run(command, { ...soon(), directory })
  if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  return stdout
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'baton-virt-install-'))
  daemon = await startLibvirt()
  for (const name of ['x.iso', 'vmlinuz', 'initrd.gz', 'disk.raw']) await writeFile(join(directory, name), '')
  await run('qemu-img', 'create', '-q', '-f', 'qcow2', 'disk.qcow2', '8G')
  const virsh = (...words: readonly string[]): Promise<string> => run('virsh', '-c', daemon.uri, ...words)
  await virsh('pool-define-as', 'default', 'dir', '--target', '/var/lib/libvirt/images')
  await virsh('pool-build', 'default')
  await virsh('pool-start', 'default')
  await virsh('vol-create-as', 'default', 'x.qcow2', '1G', '--format', 'qcow2')
  facts = await withUri(daemon.uri, async () => {
    const connection = await openLibvirt(host, await findDaemon(host, soon()), soon())
    try {
      return await hostFacts(host, connection, soon())
    } finally {
      connection.close()
    }
  })
  process.chdir(directory)
})
afterAll(async () => {
  process.chdir(before)
  await daemon[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

describe('virt-install itself and Baton', () => {
  test('the table is as long as it is said to be', () => {
    expect(commandLines.length).toBeGreaterThanOrEqual(40)
  })

  test.each(commandLines)('make the same domain of %s', async (line) => {
    const words = shellWords(line)
    const options = ['--connect', daemon.uri, '--print-xml', '--dry-run', '--check', 'all=off']
    const theirs = domainsOf(await run('virt-install', ...options, ...words))
    const { install, final } = buildDomains(readOptions(words), facts)
    const ours = install === undefined ? [final] : [install, final]
    expect(ours.map(meaningOf)).toEqual(theirs.map(meaningOf))
  })
})
