/** The command xen-list-images: from its words to what it prints. */
import { parseXenToolsConf } from '../../../formats/xen-tools/conf.ts'
import type { CallOptions, Host } from '../../../hosts/host.ts'
import { confFile, type Outcome, release } from '../front.ts'
import { readListCall } from './arguments.ts'
import { listedNames, printImages } from './list-images.ts'

const helpText = `Usage:
      xen-list-images [options]

    --extension EXT   only files that end so; without a value, all of them
    --test DIR        look there instead of in /etc/xen
    --help, --manual  this text
    --version         the release whose words it speaks
`

export async function runListImages(host: Host, words: readonly string[], options: CallOptions): Promise<Outcome> {
  const call = readListCall(words)
  const stderr = call.complaints.map((line) => `${line}\n`).join('')
  if (call.kind === 'help') return { stdout: '', stderr: stderr + helpText, code: 1 }
  if (call.kind === 'manual') return { stdout: helpText, stderr, code: 1 }
  if (call.kind === 'version') return { stdout: `xen-list-images release ${release}\n`, stderr, code: 0 }
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
