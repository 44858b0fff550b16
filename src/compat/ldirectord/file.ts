/** An ldirectord.cf of this machine: its names looked up, its findings with their places, its services as a spec. */
import { lookup } from 'node:dns'
import { hostname } from 'node:os'
import { basename } from 'node:path'
import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ChosenEngine } from '../../cluster/spec/engine-check.ts'
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import type { LdirectordFile } from '../../formats/ldirectord/model.ts'
import { parseLdirectord } from '../../formats/ldirectord/parse.ts'
import type { Family } from '../../lvs/service.ts'
import { serviceTable } from '../ipvsadm/name-files.ts'
import { machineNames } from '../ipvsadm/names.ts'
import { convertLdirectord } from './convert.ts'
import type { Company } from './left-out.ts'

/** So many lookups at a time: libuv has four threads for them. */
const lookupsAtOnce = 4

export type ReadLdirectord = {
  readonly spec: ClusterSpec | undefined
  readonly diagnostics: readonly Diagnostic[]
  readonly parsed: LdirectordFile
}

/** Never rejects for what is in the text: that is among the diagnostics. `engine`: what it would refuse, too. */
export async function readLdirectord(
  file: string,
  text: string,
  options: { readonly engine?: ChosenEngine; readonly company?: Company } = {},
): Promise<ReadLdirectord> {
  const parsed = await parseWithNames(text)
  const { spec, findings } = convertLdirectord(parsed, {
    cluster: clusterName(file),
    directory: process.cwd(),
    ...options,
  })
  const diagnostics = findings.map(({ severity, line, message }) => ({ severity, file, line, column: 1, message }))
  return { spec, diagnostics, parsed }
}

/** `/etc/ha.d/web.cf` is `web`. */
function clusterName(file: string): string {
  const name = basename(file).replace(/\.[a-z]+$/, '')
  return /^(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(name) ? name : 'ldirectord'
}

/** Parses, looks up what was asked for, and parses again. */
export async function parseWithNames(text: string): Promise<LdirectordFile> {
  const source = machineNames()
  let services: ReturnType<typeof serviceTable> | undefined
  const port = (name: string, protocol: 'tcp' | 'udp'): number | undefined =>
    (services ??= serviceTable(source.services())).port(name, protocol)
  const known = new Map<string, string | undefined>()
  const asked = new Map<string, { readonly name: string; readonly family: Family }>()
  const names = {
    hostName: hostname(),
    host: (name: string, family: Family) => {
      const key = `${family} ${name}`
      if (!known.has(key) && /^[A-Za-z0-9_.-]{1,255}$/.test(name)) asked.set(key, { name, family })
      return known.get(key)
    },
    port: (name: string, protocol: 'tcp' | 'udp' | undefined) =>
      protocol === undefined ? (port(name, 'tcp') ?? port(name, 'udp')) : port(name, protocol),
  }
  const first = parseLdirectord(text, names)
  if (asked.size === 0) return first
  const left = asked.entries()
  const worker = async (): Promise<void> => {
    for (const [key, { name, family }] of left) known.set(key, await lookUp(name, family))
  }
  await Promise.all(Array.from({ length: lookupsAtOnce }, worker))
  return parseLdirectord(text, names)
}

/** getaddrinfo(3): ends by itself within seconds (machineNames sees to that). */
function lookUp(name: string, family: Family): Promise<string | undefined> {
  return new Promise((resolve) =>
    lookup(name, { family: family === 'ipv6' ? 6 : 4 }, (error, address) => resolve(error ? undefined : address)),
  )
}
