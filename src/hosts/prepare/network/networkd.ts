/** systemd.network(5): files of our own that come before the uplink's; that one stays as it is, and is told to the bridge. */
import type { Guarded } from '../step.ts'
import { ownMark } from '../step.ts'
import { refusal, type Uplink } from './uplink.ts'

/** `source`: the file that networkctl names for the uplink; `files`: all of /etc/systemd/network, and that one. */
export function bridgeByNetworkd(
  source: string,
  files: Readonly<Record<string, string>>,
  uplink: Uplink,
  bridge: string,
): Guarded {
  const text = files[source]
  if (text === undefined)
    throw refusal(
      'not-found',
      `${source} sets up ${uplink.name}, and cannot be read`,
      source,
      'make the bridge by hand',
    )
  const [dropIn] = Object.keys(files).filter((path) => path.startsWith(`${source}.d/`))
  if (dropIn !== undefined)
    throw refusal('unsupported', `${dropIn} changes ${source}`, dropIn, `put it into ${source}, then run this again`)
  const sections = sectionsOf(text)
  const own = sections.filter(({ name }) => name === 'Link').map(({ text: section }) => section)
  const carried = sections.filter(({ name }) => name !== 'Match' && name !== '').map(({ text: section }) => section)
  const folder = '/etc/systemd/network'
  const written = (name: string, after: string) => ({
    path: `${folder}/${name}`,
    before: files[`${folder}/${name}`] ?? '',
    after,
  })
  const reload = ['networkctl', 'reload']
  const again = ['networkctl', 'reconfigure', uplink.name]
  return {
    uplink: uplink.name,
    bridge,
    files: [
      written(
        `05-${bridge}.netdev`,
        `${ownMark}[NetDev]\nName=${bridge}\nKind=bridge\nMACAddress=${uplink.mac}\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n`,
      ),
      written(
        `05-${bridge}-uplink.network`,
        `${ownMark}[Match]\nName=${uplink.name}\n\n[Network]\nBridge=${bridge}\n${own.map((section) => `\n${section}`).join('')}`,
      ),
      written(`05-${bridge}.network`, `${ownMark}[Match]\nName=${bridge}\n\n${carried.join('')}`),
    ],
    leave: [],
    enter: [reload, again],
    back: { leave: [], enter: [['ip', 'link', 'delete', bridge], reload, again] },
  }
}

type Section = { readonly name: string; readonly text: string }

function sectionsOf(text: string): Section[] {
  const parts = text.replace(/\n*$/, '\n').split(/^(?=\[)/m)
  return parts.map((part) => ({ name: /^\[(\w+)\]/.exec(part)?.[1] ?? '', text: part }))
}
