/** xen-update-image: the packages of guests that do not run are brought up to date. */
import { isInfraError } from '../../errors.ts'
import { parseXenToolsConf } from '../../formats/xen-tools/conf.ts'
import type { CallOptions, Host } from '../../hosts/host.ts'
import { guestDirectory } from './create/volumes.ts'
import { confFile, type Outcome, release } from './front.ts'
import { runningGuest } from './running.ts'
import { inTree } from './tree.ts'
import { type OptionTable, readWords } from './words.ts'

const helpText = `Usage:
      xen-update-image [--dir=DIRECTORY | --lvm=GROUP] NAME…

    --help --manual --version
`

const options: OptionTable = {
  ...{ dir: 'value', lvm: 'value', evms: 'value', help: 'flag', manual: 'flag', version: 'flag' },
}

const failure = 127

const update = `
export DEBIAN_FRONTEND=noninteractive
chroot "$tree" apt-get -q update
chroot "$tree" apt-get -q --yes upgrade
chroot "$tree" apt-get -q clean
`

export async function runUpdateImage(
  host: Host,
  words: readonly string[],
  say: (text: string) => void,
  call: CallOptions,
): Promise<Outcome> {
  const { given, rest: names, complaints } = readWords(words, options)
  const fail = (...lines: string[]): Outcome => ({ stdout: '', stderr: `${lines.join('\n')}\n`, code: failure })
  if (given.has('help') || given.has('manual')) return { stdout: '', stderr: helpText, code: 1 }
  if (given.has('version')) return { stdout: `xen-update-image release ${release}\n`, stderr: '', code: 0 }
  if (complaints.length > 0) return fail(...complaints)
  const conf = parseXenToolsConf(new TextDecoder().decode(await host.readFile(confFile, call)))
  const isPlaced = given.has('dir') || given.has('lvm')
  const [directory, group] = ['dir', 'lvm'].map((name) => (isPlaced ? given.get(name)?.[0] : conf.get(name)))
  if (given.has('evms')) return fail('EVMS is gone from Linux: use --lvm or --dir')
  if ((directory === undefined) === (group === undefined)) return fail('Please choose one of: --dir / --lvm')
  if (names.length === 0) return fail('Please name the guests to update.')
  const wrong = names.filter((name) => !/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(name) || name.includes('..'))
  if (wrong.length > 0) return fail(...wrong.map((name) => `'${name}' is no name of a guest`))
  let code = 0
  for (const name of names) {
    const path =
      group === undefined ? `${guestDirectory(directory ?? '', name)}/disk.img` : `/dev/${group}/${name}-disk`
    try {
      if ((await runningGuest(host, name, call)) === true) {
        say(`Skipping xen guest '${name}' - it appears to be running.\n`)
        code = failure
        continue
      }
      say(`Updating: ${name}\n`)
      const root = [{ path, fs: 'auto', mountpoint: '/' }]
      const { stdout } = await inTree(host, `update ${name}`, root, update, [], { ...call, isInside: true })
      say(`${stdout}Done\n`)
    } catch (error) {
      if (!isInfraError(error)) throw error
      say(`${error.message}\n`)
      code = failure
    }
  }
  return { stdout: '', stderr: '', code }
}
