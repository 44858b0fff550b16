/** interfaces(5): the uplink's stanzas become the bridge's, in the file in which they stand. */
import type { Guarded, WholeFile } from '../step.ts'
import { refusal, type Uplink } from './uplink.ts'

type Files = Readonly<Record<string, string>>

const isInterfaces = (path: string): boolean => path.startsWith('/etc/network/interfaces')

/** undefined: no file of ifupdown speaks of the uplink. @throws InfraError for what cannot be carried over. */
export function bridgeByIfupdown(files: Files, uplink: Uplink, bridge: string): Guarded | undefined {
  const own = Object.entries(files).filter(([path, text]) => isInterfaces(path) && stanzaOf(uplink.name).test(text))
  const [first, second] = own
  if (first === undefined) return undefined
  const taken = Object.entries(files).find(([path, text]) => isInterfaces(path) && stanzaOf(bridge).test(text))
  if (taken !== undefined)
    throw refusal(
      'already-exists',
      `${taken[0]} describes ${bridge} already, and it is not up`,
      bridge,
      `see why: ifup ${bridge}`,
    )
  if (second !== undefined)
    throw refusal(
      'unsupported',
      `${uplink.name} is described in ${first[0]} and in ${second[0]}`,
      uplink.name,
      'put it into one file, then run this again',
    )
  const [path, before] = first
  return {
    uplink: uplink.name,
    bridge,
    files: [
      { path, before, after: bridgedInterfaces(path, before, uplink, bridge) },
      ...autoElsewhere(files, path, uplink, bridge),
    ],
    leave: [
      ['ifdown', '--force', uplink.name],
      ['ip', 'address', 'flush', 'dev', uplink.name],
    ],
    enter: [['ifup', bridge]],
    back: {
      leave: [
        ['ifdown', '--force', bridge],
        ['ip', 'link', 'delete', bridge],
      ],
      enter: [['ifup', '--force', uplink.name]],
    },
  }
}

const stanzaOf = (name: string): RegExp => new RegExp(`^[ \\t]*iface[ \\t]+${escaped(name)}(?::\\S+)?[ \\t]`, 'm')
const escaped = (name: string): string => name.replaceAll(/[.-]/g, '\\$&')

/** `auto` may stand in another file than the stanza. */
function autoElsewhere(files: Files, path: string, uplink: Uplink, bridge: string): WholeFile[] {
  return Object.entries(files).flatMap(([other, before]) => {
    if (other === path || !isInterfaces(other)) return []
    const after = before
      .split('\n')
      .map((line) => startLine(line, uplink.name, bridge) ?? line)
      .join('\n')
    return after === before ? [] : [{ path: other, before, after }]
  })
}

/** The lines of the uplink under the bridge's name; the uplink is brought up with it, and has nothing of its own. */
function bridgedInterfaces(path: string, text: string, { name, mac }: Uplink, bridge: string): string {
  const lines: string[] = []
  let inStanza = false
  let isFirst = true
  let isStarted = false
  for (const line of text.split('\n')) {
    const started = startLine(line, name, bridge)
    if (started !== undefined) {
      isStarted = true
      lines.push(started)
      inStanza = false
      continue
    }
    const header = /^(\s*iface\s+)(\S+)(\s.*)$/.exec(line)
    if (
      header !== null ||
      /^\s*(?:auto|allow-\S+|mapping|source|source-directory|rename|no-auto-down|no-scripts|template)\b/.test(line)
    )
      inStanza = header?.[2] === name || header?.[2]?.startsWith(`${name}:`) === true
    if (header === null || !inStanza) {
      if (inStanza) checkOption(path, line, name)
      lines.push(line)
      continue
    }
    if (/\binherits\b/.test(line))
      throw refusal(
        'unsupported',
        `${path}: ${line.trim()}: what is inherited is not looked at`,
        path,
        'write its options out, then run this again',
      )
    const [, word = '', called = '', rest = ''] = header
    if (isFirst) lines.push(`iface ${name} inet manual`, '')
    lines.push(`${word}${bridge}${called.slice(name.length)}${rest}`)
    if (isFirst) lines.push(...bridgeOptions(name, mac))
    isFirst = false
  }
  if (!isStarted) return [`auto ${bridge}`, ...lines].join('\n')
  return lines.join('\n')
}

/** The card's own address, so that a DHCP server gives the lease it has given; no port waits before it forwards. */
const bridgeOptions = (name: string, mac: string): string[] =>
  [`bridge_ports ${name}`, `bridge_hw ${mac}`, 'bridge_stp off', 'bridge_fd 0', 'bridge_maxwait 0'].map(
    (line) => `    ${line}`,
  )

/** A line that says what is started, under the new name: nothing plugs a bridge in, so allow-hotplug becomes auto. */
function startLine(line: string, name: string, bridge: string): string | undefined {
  const [keyword = '', ...names] = line.trim().split(/\s+/)
  if (keyword !== 'auto' && keyword !== 'allow-hotplug' && keyword !== 'allow-auto') return undefined
  const renamed = (one: string): string =>
    one === name || one.startsWith(`${name}:`) ? bridge + one.slice(name.length) : one
  if (!names.some((one) => renamed(one) !== one)) return undefined
  if (keyword !== 'allow-hotplug') return [keyword, ...names.map(renamed)].join(' ')
  const others = names.filter((one) => renamed(one) === one)
  const own = names.filter((one) => renamed(one) !== one).map(renamed)
  return [`auto ${own.join(' ')}`, ...(others.length > 0 ? [`allow-hotplug ${others.join(' ')}`] : [])].join('\n')
}

/** What names the card itself, or belongs to another kind of device, would mean something else under the bridge. */
function checkOption(path: string, line: string, name: string): void {
  const [option = ''] = line.trim().split(/\s+/)
  if (option === '' || option.startsWith('#')) return
  const isOther = /^(?:bond|wpa|wireless|vlan|bridge)[-_]/.test(option)
  if (!isOther && !new RegExp(`(?:^|[^\\w.-])${escaped(name)}(?:$|[^\\w.-])`).test(line)) return
  throw refusal(
    'unsupported',
    `${path}: ${line.trim()}: this would not hold for a bridge`,
    path,
    `write $IFACE for ${name}, or move the line, then run this again`,
  )
}
