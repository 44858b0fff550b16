/**
 * What other directors are told of the program's connections: all, or what has changed. Nothing is asked of the program's
 * packets: the table is walked beside the event loop, again and again while somebody listens, and compared with what he has
 * been told. So it is its own queue: nothing is dropped when he is slow, and of a connection he hears how it stands last.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { stateTimeoutSeconds, tcpStates } from '../../lvs/connection-state.ts'
import type { PortableConnection } from '../../lvs/portable-connection.ts'
import type { Timeouts } from '../../lvs/settings.ts'
import { isToldState, type TellingRules } from '../../lvs/telling.ts'
import type { MapPage } from '../../os/bpf-map.ts'
import { MapWalk } from '../../os/bpf-walk.ts'
import type { ChangedConnections } from '../engine.ts'
import { type Seen, ToldTable } from '../told.ts'
import { flowKinds, layouts, protocols, templateFlags } from './layout.ts'
import type { Maps } from './maps.ts'
import { type Marks, nanosecondsAt, portableConnection, portableTemplate } from './portable.ts'
import type { ServerSlots } from './servers.ts'

const pageEntries = 4096
/** Of the time of a pass, how much is rested after it, within these bounds. */
const restsPerPass = 9
const shortestRestMs = 50
const longestRestMs = 1_000

export type Followed = {
  readonly maps: Maps
  readonly servers: ServerSlots
  readonly marks: () => Marks
  readonly timeouts: () => Timeouts
}

type Around = { readonly servers: ServerSlots; readonly marks: Marks; readonly nowNs: number }
type Page = Pick<MapPage, 'count' | 'keys' | 'values'>
type Decode = (page: Page, around: Around) => PortableConnection[]

/** Templates first. */
export async function* exportAll(
  followed: Followed,
  signal: AbortSignal,
): AsyncIterable<readonly PortableConnection[]> {
  yield* walk(followed, signal, {
    templates: (page, around) => decodeTemplates(page, around, () => true),
    flows: (page, around) => decodeFlows(page, around, ({ isTold }) => isTold, followed.timeouts(), false),
  })
}

/** From pass to pass, until the signal is aborted. */
export async function* followChanges(
  followed: Followed,
  rules: TellingRules,
  signal: AbortSignal,
): AsyncIterable<ChangedConnections> {
  const { totals } = followed.maps
  const [flowsTold, templatesTold] = [new ToldTable(), new ToldTable()]
  const count = (at: number): number => Number(totals.bytes.readBigUInt64LE(at))
  while (!signal.aborted) {
    const begunMs = performance.now()
    flowsTold.begin(count(layouts.totals.at.connections))
    templatesTold.begin(count(layouts.totals.at.templates))
    const timeouts = followed.timeouts()
    const batches = walk(followed, signal, {
      templates: (page, around) =>
        decodeTemplates(page, around, (seen) => templatesTold.isDue(seen, rules, around.nowNs / 1e9)),
      flows: (page, around) =>
        decodeFlows(
          page,
          around,
          (seen) => flowsTold.isDue(seen, rules, around.nowNs / 1e9),
          timeouts,
          rules.persistentOnly,
        ),
    })
    for await (const connections of batches) yield { connections, dropped: 0 }
    const restMs = Math.min(Math.max(restsPerPass * (performance.now() - begunMs), shortestRestMs), longestRestMs)
    await sleep(restMs, undefined, { signal }).catch(() => undefined)
  }
}

async function* walk(
  { maps, servers, marks }: Followed,
  signal: AbortSignal,
  decode: { readonly templates: Decode; readonly flows: Decode },
): AsyncIterable<readonly PortableConnection[]> {
  const { connections, templates } = layouts.totals.at
  const parts = [
    { map: maps.templates, decode: decode.templates, count: templates },
    { map: maps.flows, decode: decode.flows, count: connections },
  ]
  const known = marks()
  for (const part of parts) {
    if (maps.totals.bytes.readBigUInt64LE(part.count) === 0n) continue
    const pages = new MapWalk(part.map, pageEntries)
    let from: Uint8Array | undefined
    do {
      const page: MapPage | undefined = await pages.page(from).catch((error: unknown) => {
        // Its maps have been closed.
        if (!signal.aborted) throw error
        return undefined
      })
      if (page === undefined || signal.aborted) return
      const around = { servers, marks: known, nowNs: Number(process.hrtime.bigint()) }
      const batch = part.decode(page, around)
      from = page.next
      if (batch.length > 0) yield batch
    } while (from !== undefined && !signal.aborted)
  }
}

function decodeFlows(
  { count, keys, values }: Page,
  around: Around,
  isMeant: (seen: Seen) => boolean,
  timeouts: Timeouts,
  leavesControlled: boolean,
): PortableConnection[] {
  const [keyBytes, valueBytes] = [layouts.flow_key.bytes, layouts.flow.bytes]
  const { kind, expires, template } = layouts.flow.at
  const found: PortableConnection[] = []
  for (let index = 0; index < count; index++) {
    const [keyAt, at] = [index * keyBytes, index * valueBytes]
    if (values[at + kind] !== flowKinds.FLOW_CONNECTION) continue
    if (nanosecondsAt(values, at + expires) <= around.nowNs) continue
    if (leavesControlled && nanosecondsAt(values, at + template) !== 0) continue
    if (isMeant(seenFlow([keys, keyAt], [values, at], timeouts)))
      found.push(portableConnection([keys, keyAt], [values, at], around))
  }
  return found
}

function seenFlow(
  [keys, keyAt]: readonly [Buffer, number],
  [values, at]: readonly [Buffer, number],
  timeouts: Timeouts,
): Seen {
  const { word, expires } = layouts.flow.at
  const { source_port: port, protocol } = layouts.flow_key.at
  const isUdp = keys[keyAt + protocol] === protocols.udp
  const code = values[at + word] ?? 0
  const state = isUdp ? 'UDP' : (tcpStates[code] ?? 'NONE')
  const isOver = state === 'TIME_WAIT' || state === 'CLOSE'
  const isTold = isUdp || isToldState('tcp', state)
  return {
    id: values.readUInt32LE(at + word + 4),
    check: keys.readUInt32LE(keyAt + port),
    state: code,
    endsSeconds: Math.floor(nanosecondsAt(values, at + expires) / 1e9),
    timeoutSeconds: isUdp ? timeouts.udp : stateTimeoutSeconds('tcp', state, timeouts),
    news: isUdp ? 'later' : isTold && !isOver ? 'always' : 'never',
    isTold,
  }
}

function decodeTemplates(
  { count, keys, values }: Page,
  around: Around,
  isMeant: (seen: Seen) => boolean,
): PortableConnection[] {
  const found: PortableConnection[] = []
  const { word, expires, timeout } = layouts.template.at
  for (let index = 0; index < count; index++) {
    const at = index * layouts.template.bytes
    const ends = nanosecondsAt(values, at + expires)
    const isHeld = (values.readUInt32LE(at + word) & 0xffff_ff00) !== 0 || (values[at + word + 4] ?? 0) !== 0
    if (!isHeld && ends <= around.nowNs) continue
    const seen: Seen = {
      id: keys.readUInt32LE(8 * index),
      check: keys.readUInt32LE(8 * index + 4),
      state: (values[at + word] ?? 0) & templateFlags.assured,
      endsSeconds: Math.floor(ends / 1e9),
      timeoutSeconds: Math.ceil(nanosecondsAt(values, at + timeout) / 1e9),
      news: 'always',
      isTold: true,
    }
    const template = isMeant(seen) ? portableTemplate([values, at], around) : undefined
    if (template !== undefined) found.push(template)
  }
  return found
}
