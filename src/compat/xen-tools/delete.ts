/** xen-delete-image: a guest's configuration and its volumes go, and nothing else's. */
import { isInfraError } from '../../errors.ts'
import { parseXenToolsConf } from '../../formats/xen-tools/conf.ts'
import { parseXlDisk } from '../../formats/xl-cfg/disk.ts'
import { parseXlCfg } from '../../formats/xl-cfg/parse.ts'
import { listSetting, settingsOf } from '../../formats/xl-cfg/settings.ts'
import { listVolumes, removeVolume } from '../../guests/storage/lvm.ts'
import type { CallOptions, Host } from '../../hosts/host.ts'
import { guestDirectory } from './create/volumes.ts'
import { confFile, type Outcome, release } from './front.ts'
import { runningGuest } from './running.ts'
import { type OptionTable, readWords } from './words.ts'

const helpText = `Usage:
      xen-delete-image [--dir=DIRECTORY | --lvm=GROUP] [--hostname=NAME | NAME]…

    --dry-run, --test  only say what would go
    --extension EXT    of the configuration in /etc/xen
    --verbose --help --manual --version
`

const options: OptionTable = {
  ...{ dir: 'value', lvm: 'value', evms: 'value', zpool: 'value', extension: 'optional', hostname: 'values' },
  ...{ 'dry-run': 'flag', test: 'flag', verbose: 'flag', 'no-xen-ok': 'flag' },
  ...{ help: 'flag', manual: 'flag', version: 'flag' },
}

/** The original's own codes: 2 without a place, 127 for the rest. */
const [withoutPlace, failure] = [2, 127]

type Place = { readonly directory: string } | { readonly group: string }

export async function runDeleteImage(
  host: Host,
  words: readonly string[],
  say: (text: string) => void,
  call: CallOptions,
): Promise<Outcome> {
  const { given, rest, complaints } = readWords(words, options)
  const fail = (code: number, ...lines: string[]): Outcome => ({ stdout: '', stderr: `${lines.join('\n')}\n`, code })
  if (given.has('help') || given.has('manual')) return { stdout: '', stderr: helpText, code: 1 }
  if (given.has('version')) return { stdout: `xen-delete-image release ${release}\n`, stderr: '', code: 0 }
  if (complaints.length > 0) return fail(failure, ...complaints)
  const conf = parseXenToolsConf(new TextDecoder().decode(await host.readFile(confFile, call)))
  const isPlaced = ['dir', 'lvm', 'evms', 'zpool'].some((name) => given.has(name))
  const value = (name: string): string | undefined => (isPlaced ? given.get(name)?.[0] : conf.get(name))
  const [directory, group] = [value('dir'), value('lvm')]
  if (value('evms') !== undefined || value('zpool') !== undefined)
    return fail(withoutPlace, 'volumes of EVMS and ZFS are not for Baton: use --dir or --lvm')
  if ((directory === undefined) === (group === undefined))
    return fail(withoutPlace, 'Please select one and only one of the installation types: --dir, --lvm')
  const names = [...(given.get('hostname') ?? []), ...rest]
  if (names.length === 0) return fail(failure, 'Please provide the hostname of an image to delete.')
  const wrong = names.filter((name) => !/^[A-Za-z0-9][A-Za-z0-9.-]*$/.test(name) || name.includes('..'))
  if (wrong.length > 0) return fail(failure, ...wrong.map((name) => `'${name}' is no name of a guest`))
  const extension = given.get('extension')?.[0] ?? conf.get('extension') ?? '.cfg'
  const isDry = given.has('dry-run') || given.has('test')
  let code = 0
  for (const name of names) {
    const place: Place = group === undefined ? { directory: directory ?? '' } : { group }
    if ((await runningGuest(host, name, call)) === true) {
      say(`Skipping xen guest '${name}' - it appears to be running.\n`)
      code = failure
      continue
    }
    try {
      const found = await findParts(host, name, place, extension, call)
      if (found.length === 0) {
        say(`There is nothing of a guest '${name}'.\n`)
        code = failure
      }
      for (const { what, remove } of found) {
        say(`${isDry ? 'Would delete' : 'Deleting'}: ${what}\n`)
        if (!isDry) await remove(call)
      }
    } catch (error) {
      if (!isInfraError(error)) throw error
      say(`${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`)
      code = failure
    }
  }
  return { stdout: '', stderr: '', code }
}

type Part = { readonly what: string; readonly remove: (call: CallOptions) => Promise<void> }

/** The configuration goes last: while there is a volume, the next try finds it by its configuration. */
async function findParts(
  host: Host,
  name: string,
  place: Place,
  extension: string,
  call: CallOptions,
): Promise<readonly Part[]> {
  const [config, link] = [`/etc/xen/${name}${extension}`, `/etc/xen/auto/${name}${extension}`]
  const exists = async (path: string): Promise<boolean> =>
    (await host.run(['sh', '-c', '[ -e "$1" ] || [ -L "$1" ]', 'sh', path], call)).code === 0
  const file = (path: string): Part => ({ what: path, remove: (late) => host.remove(path, late) })
  const text = await host.readFile(config, call)
  const named = text === undefined ? [] : disksOf(new TextDecoder().decode(text))
  const volumes =
    'group' in place
      ? await volumesOf(host, name, place.group, named, call)
      : [guestDirectory(place.directory, name)].map((path) => file(path))
  const parts = [file(link), ...volumes, file(config)]
  const found = await Promise.all(
    parts.map(async (part) => ('group' in place && volumes.includes(part)) || exists(part.what)),
  )
  return parts.filter((_, index) => found[index])
}

/**
 * What Baton made for a guest of this name, and what its configuration says is its disk, whoever made it. Another guest
 * whose name begins so keeps its volumes.
 */
async function volumesOf(
  host: Host,
  name: string,
  group: string,
  named: readonly string[],
  call: CallOptions,
): Promise<readonly Part[]> {
  const isUsual = (volume: string): boolean => volume === `${name}-disk` || volume === `${name}-swap`
  return (await listVolumes(host, group, call)).flatMap((volume) => {
    const what = `/dev/${group}/${volume.name}`
    const isNamed = named.includes(what) && volume.name.startsWith(`${name}-`)
    if (!isNamed && !(isUsual(volume.name) && volume.isOurs)) return []
    return [{ what, remove: (late: CallOptions) => removeVolume(host, volume, { ...late, evenIfNotOurs: isNamed }) }]
  })
}

/** The paths of its disks; none of a file that xl could not read either. */
function disksOf(text: string): readonly string[] {
  return listSetting(settingsOf(parseXlCfg(text).assignments).settings, 'disk').flatMap((disk) => {
    const { target } = parseXlDisk(disk)
    return target === undefined ? [] : [target]
  })
}
