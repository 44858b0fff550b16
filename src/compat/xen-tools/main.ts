/** Where `xen-list-images` begins: the words as they were typed, nobody else's options. */

import { parseXenToolsConf } from '../../formats/xen-tools/conf.ts'
import type { Host } from '../../hosts/host.ts'
import { localHost } from '../../hosts/local/local.ts'
import { readListCall } from './arguments.ts'
import { listedNames, printImages } from './list-images.ts'

const confFile = '/etc/xen-tools/xen-tools.conf'
const release = '4.9.2'
/** How long the files may take to be read. */
const readMs = 60_000

const helpText = `Usage:
      xen-list-images [options]

    --extension EXT   only files that end so; without a value, all of them
    --test DIR        look there instead of in /etc/xen
    --help, --manual  this text
    --version         the release whose words it speaks
`

/** What came of it: the text of both streams, and the exit code. */
export type Outcome = { readonly stdout: string; readonly stderr: string; readonly code: number }

export async function runListImages(host: Host, words: readonly string[]): Promise<Outcome> {
  const call = readListCall(words)
  const stderr = call.complaints.map((line) => `${line}\n`).join('')
  if (call.kind === 'help') return { stdout: '', stderr: stderr + helpText, code: 1 }
  if (call.kind === 'manual') return { stdout: helpText, stderr, code: 1 }
  if (call.kind === 'version') return { stdout: `xen-list-images release ${release}\n`, stderr, code: 0 }
  const options = { signal: AbortSignal.timeout(readMs) }
  const text = new TextDecoder()
  const conf = parseXenToolsConf(text.decode(await host.readFile(confFile, options)))
  const directory = call.directory ?? conf.get('prefix') ?? '/etc/xen'
  const names = listedNames(
    (await host.list(directory, options)) ?? [],
    call.extension ?? conf.get('extension') ?? '.cfg',
  )
  const found = await Promise.all(
    names.map(async (name) => {
      const path = `${directory}/${name}`
      // A directory whose name fits is no configuration.
      const isFolder = (await host.list(path, options)) !== undefined
      const content = isFolder ? undefined : await host.readFile(path, options)
      return content === undefined ? [] : [{ path, text: text.decode(content) }]
    }),
  )
  return { stdout: printImages(found.flat()), stderr, code: 0 }
}

/** Runs to its end; the process ends with its exit code. */
export async function runXenToolsFront(words: readonly string[]): Promise<void> {
  const { stdout, stderr, code } = await runListImages(localHost(), words)
  process.stderr.write(stderr)
  process.stdout.write(stdout)
  process.exitCode = code
}
