/** Names of routing tables, protocols and the like as this machine has them: /etc/iproute2, before it /usr/share/iproute2. */
import { readdirSync, readFileSync } from 'node:fs'
import { commonNames, type NameKind, type Names } from '../../formats/iproute/names.ts'

const files: Readonly<Record<NameKind, string>> = {
  table: 'rt_tables',
  protocol: 'rt_protos',
  scope: 'rt_scopes',
  realm: 'rt_realms',
  dsfield: 'rt_dsfield',
  group: 'group',
}

/** Each file is read when one of its names is asked for. */
export function routingNames(directories: readonly string[] = ['/usr/share/iproute2', '/etc/iproute2']): Names {
  const read = new Map<NameKind, ReadonlyMap<string, number>>()
  return (kind, name) => {
    const known = read.get(kind) ?? namesIn(directories.flatMap((directory) => textsOf(`${directory}/${files[kind]}`)))
    read.set(kind, known)
    return known.get(name) ?? commonNames(kind, name)
  }
}

/** The file, and those of the directory beside it. */
function textsOf(path: string): string[] {
  const beside = attempt(() => readdirSync(`${path}.d`))?.filter((name) => name.endsWith('.conf')) ?? []
  return [path, ...beside.toSorted().map((name) => `${path}.d/${name}`)].flatMap(
    (file) => attempt(() => readFileSync(file, 'utf8')) ?? [],
  )
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined // Not there: then it says nothing.
  }
}

function namesIn(texts: readonly string[]): ReadonlyMap<string, number> {
  const lines = texts.flatMap((text) => text.split('\n'))
  return new Map(
    lines.flatMap((line) => {
      const [, number = '', name = ''] = /^\s*(0x[0-9A-Fa-f]+|[0-9]+)\s+([^\s#]+)/.exec(line) ?? []
      return name === '' ? [] : [[name, Number(number)] as const]
    }),
  )
}
