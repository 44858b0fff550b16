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
  return {
    shortId: valueAt(own, './short-id') ?? name,
    id: own.getAttribute('id') ?? '',
    name: valueAt(own, './name') ?? name,
    isWindows: line.some((one) => valueAt(one, './family')?.startsWith('win') === true),
    devices: devicesOf(line),
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

/** The OS itself and what it was made from, the oldest last. */
function ancestry(own: Element, files: readonly string[]): Element[] {
  const line = [own]
  for (let one: Element | undefined = own; one !== undefined; ) {
    const parent: string | undefined = valueAt(one, './derives-from/@id') ?? valueAt(one, './clones/@id')
    const text: string | undefined =
      parent === undefined ? undefined : files.find((content) => content.includes(`<os id="${parent}"`))
    one = text === undefined ? undefined : osElement(text)
    if (one !== undefined) line.push(one)
  }
  return line
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

/** Those of its own take the place of what it was made from, unless they say that they do not. */
function resourceElements([own, ...older]: readonly Element[]): Element[] {
  if (own === undefined) return []
  const found = elementsAt(own, './resources')
  const goesOn = found.every((one) => one.getAttribute('inherit') === 'true')
  return goesOn ? [...found, ...resourceElements(older)] : found
}

/** SUSE's are older than the database's knowledge of it. */
function urlArgumentOf(line: readonly Element[]): Pick<OsFacts, 'urlArgument'> {
  const said = line.map((one) => valueAt(one, './kernel-url-argument')).find((one) => one !== undefined)
  const isSuse = line.some((one) => /^(caasp|sled?|sles|opensuse)$/.test(valueAt(one, './distro') ?? ''))
  const urlArgument = said ?? (isSuse ? 'install' : undefined)
  return urlArgument === undefined ? {} : { urlArgument }
}
