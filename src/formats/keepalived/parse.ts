/** A keepalived.conf: its lines, its blocks by the tables of keywords, and what stands against them in keepalived's words. Pure. */
import { type Finding, type Report, Unreadable } from './finding.ts'
import { reportGlobals } from './globals.ts'
import type { Routers } from './instance-model.ts'
import { readRouters } from './instances.ts'
import { type IncludedFile, readLines, type Surroundings } from './lines.ts'
import type { Machine } from './machine.ts'
import type { KeepalivedFile, Virtual } from './model.ts'
import { reportSecurity } from './security.ts'
import { checkTables } from './tables/checks.ts'
import { bfdTables, globalTables } from './tables/global.ts'
import { trackedFiles, vrrpTables } from './tables/vrrp.ts'
import { type Entry, readTree, tokensOf } from './tree.ts'
import { readVirtuals } from './virtuals.ts'
import { reportVrrp } from './vrrp.ts'

const known = { ...globalTables, ...vrrpTables, ...checkTables, ...bfdTables }

const noRouters: Routers = {
  instances: [],
  standing: { addresses: [], ways: { routes: [], rules: [] }, trackGroups: new Map() },
  groups: [],
  scripts: new Map(),
  files: new Map(),
  processes: new Map(),
}

/** Never throws for what is in the text. keepalived reads it once in each of its processes; here each finding is said once. */
export function parseKeepalived(file: IncludedFile, surroundings: Surroundings, machine: Machine): KeepalivedFile {
  const findings: Finding[] = []
  const said = new Set<string>()
  const report: Report = (exit, place, message) => {
    const key = `${place?.file ?? ''}:${place?.line ?? 0}: ${message}`
    if (!said.has(key)) findings.push({ exit, message, ...(place === undefined ? {} : { place }) })
    said.add(key)
  }
  let entries: readonly Entry[] = []
  let virtuals: readonly Virtual[] = []
  let routers = noRouters
  try {
    const tokens = tokensOf(readLines(file, surroundings, report))
    const globals = readTree(tokens, globalTables, known, report)
    reportGlobals(globals, machine, report)
    const checks = readTree(tokens, { ...checkTables, ...trackedFiles, ...bfdTables }, known, report)
    virtuals = readVirtuals([...globals, ...checks], machine, report)
    const vrrp = readTree(tokens, { ...vrrpTables, ...bfdTables }, known, report)
    const isLookedAt = reportVrrp([...globals, ...vrrp], machine, report)
    routers = readRouters([...globals, ...vrrp], machine)
    entries = [...globals, ...checks.filter(({ keyword }) => Object.hasOwn(checkTables, keyword)), ...vrrp]
    reportSecurity(entries, machine, isLookedAt, report)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
  }
  return { entries, virtuals, routers, findings }
}
