/** Facts about operating systems, from libosinfo's database (the package osinfo-db: /usr/share/osinfo/os). */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { childElements, type Element, elementsAt, parseXml, valueAt } from '../../formats/domain-xml/document.ts'

export type OsFacts = {
  readonly shortId: string
  readonly id: string
  readonly name: string
  readonly isWindows: boolean
  /** What the OS has drivers for: identifiers of the database, such as `http://pcisig.com/pci/1af4/1001`. */
  readonly devices: ReadonlySet<string>
  readonly needsUefi: boolean
  /** Recommended, or the double of the least: bytes, and processors. */
  readonly memoryBytes?: number
  readonly cpus?: number
  /** By this argument its installer's kernel is told where the rest of it is. */
  readonly urlArgument?: string
}

const directories = ['/etc/osinfo', '/usr/local/share/osinfo', '/usr/share/osinfo']

/** `missing`: there is no database; undefined: it does not know the name. */
export function findOs(name: string): OsFacts | 'missing' | undefined {
  const files = osFiles()
  if (files.length === 0) return 'missing'
  const text = files.find((content) => content.includes(`>${name}</short-id>`) || content.includes(`<os id="${name}"`))
  const own = text === undefined ? undefined : osElement(text)
  if (own === undefined) return undefined
  const line = ancestry(own, files)
  const devices = devicesOf(line)
  if (!devices.has(virtioConsole) && hasConsole(own, files)) devices.add(virtioConsole)
  return {
    shortId: valueAt(own, './short-id') ?? name,
    id: own.getAttribute('id') ?? '',
    name: valueAt(own, './name') ?? name,
    isWindows: line.some((one) => valueAt(one, './family')?.startsWith('win') === true),
    devices,
    needsUefi: needsUefi(line),
    ...resourcesOf(line),
    ...urlArgumentOf(line),
  }
}

/** Every short name, sorted. */
export function osNames(): string[] {
  return osFiles()
    .flatMap((content) => [...content.matchAll(/<short-id>([^<]+)<\/short-id>/g)].map((match) => match[1] ?? ''))
    .sort()
}

let read: readonly string[] | undefined

function osFiles(): readonly string[] {
  read ??= directories.flatMap((directory) => textsBelow(join(directory, 'os')))
  return read
}

function textsBelow(directory: string): string[] {
  let names: string[]
  try {
    names = readdirSync(directory, { recursive: true }) as string[]
  } catch {
    return [] // not installed there
  }
  return names.filter((name) => name.endsWith('.xml')).map((name) => readFileSync(join(directory, name), 'utf8'))
}

function osElement(text: string): Element | undefined {
  return childElements(parseXml(text), 'os')[0]
}

/** The OS itself and what it was made from and like, the oldest last. */
function ancestry(own: Element, files: readonly string[]): Element[] {
  const older = relatives(own, ['derives-from', 'clones']).flatMap((id) => {
    const one = elementOf(id, files)
    return one === undefined ? [] : ancestry(one, files)
  })
  return [own, ...older]
}

function relatives(own: Element, relations: readonly string[]): string[] {
  return relations.flatMap((name) => elementsAt(own, `./${name}`)).map((one) => one.getAttribute('id') ?? '')
}

function elementOf(id: string, files: readonly string[]): Element | undefined {
  const text = files.find((content) => content.includes(`<os id="${id}"`))
  return text === undefined ? undefined : osElement(text)
}

const firstWithConsole = 'http://redhat.com/rhel/6.0'
const virtioConsole = 'http://pcisig.com/pci/1af4/1003'

/** Of what came after RHEL 6.0 the database does not say everywhere that it has virtio's console: virt-install takes it to. */
function hasConsole(own: Element, files: readonly string[]): boolean {
  const seen = new Set<string>()
  const comesFrom = (one: Element): boolean =>
    relatives(one, ['derives-from', 'clones', 'upgrades']).some((id) => {
      if (id === firstWithConsole) return true
      if (seen.has(id)) return false
      seen.add(id)
      const next = elementOf(id, files)
      return next !== undefined && comesFrom(next)
    })
  return own.getAttribute('id') === firstWithConsole || comesFrom(own)
}

function devicesOf(line: readonly Element[]): Set<string> {
  const devices = new Set<string>()
  for (const one of line.toReversed())
    for (const device of elementsAt(one, './devices/device')) {
      const id = device.getAttribute('id') ?? ''
      if (device.getAttribute('supported') === 'false') devices.delete(id)
      else devices.add(id)
    }
  return devices
}

function resourcesOf(line: readonly Element[]): Pick<OsFacts, 'memoryBytes' | 'cpus'> {
  const all = resourceElements(line)
  const find = (kind: string, what: string): number | undefined => {
    for (const arch of ['x86_64', 'all'])
      for (const one of all)
        if (one.getAttribute('arch') === arch && valueAt(one, `./${kind}/${what}`) !== undefined)
          return Number(valueAt(one, `./${kind}/${what}`))
    return undefined
  }
  const least = find('minimum', 'ram')
  const memoryBytes = find('recommended', 'ram') ?? (least === undefined ? undefined : least * 2)
  const leastCpus = find('minimum', 'n-cpus')
  const cpus = find('recommended', 'n-cpus') ?? (leastCpus === undefined ? undefined : leastCpus * 2)
  return { ...(memoryBytes === undefined ? {} : { memoryBytes }), ...(cpus === undefined ? {} : { cpus }) }
}

/** Its own, and those of what it was made from where it says that they are its own, too. */
function resourceElements([own, ...older]: readonly Element[]): Element[] {
  if (own === undefined) return []
  const found = elementsAt(own, './resources')
  const inherits = found.some((one) => one.getAttribute('inherit') === 'true')
  return inherits ? [...found, ...resourceElements(older)] : found
}

/** UEFI, and no BIOS. */
function needsUefi(line: readonly Element[]): boolean {
  const supports = (type: string, otherwise: boolean): boolean => {
    const said = line
      .flatMap((one) => elementsAt(one, './firmware'))
      .find((one) => one.getAttribute('arch') === 'x86_64' && one.getAttribute('type') === type)
    return said === undefined ? otherwise : said.getAttribute('supported') !== 'false'
  }
  return supports('efi', false) && !supports('bios', true)
}

/** SUSE's are older than the database's knowledge of it. */
function urlArgumentOf(line: readonly Element[]): Pick<OsFacts, 'urlArgument'> {
  const said = line.map((one) => valueAt(one, './kernel-url-argument')).find((one) => one !== undefined)
  const isSuse = line.some((one) => /^(caasp|sled?|sles|opensuse)$/.test(valueAt(one, './distro') ?? ''))
  const urlArgument = said ?? (isSuse ? 'install' : undefined)
  return urlArgument === undefined ? {} : { urlArgument }
}
