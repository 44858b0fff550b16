/** The guest's IPVS for Baton's own engine: what it asks by netlink and of /proc is asked in there. */
import type { IpvsKernel } from '../../src/engines/ipvs/kernel.ts'
import { errnoName } from '../../src/os/libc.ts'
import { NetlinkError } from '../../src/os/netlink.ts'
import { ipvsFamily } from '../../src/wire/ipvs.ts'
import {
  type Attribute,
  decodeAttributes,
  decodeErrno,
  decodeMessages,
  encodeAttributes,
  encodeMessage,
  messageFlags,
  messageTypes,
  readU16,
  text,
} from '../../src/wire/netlink.ts'
import type { KernelIpvs } from './guest.ts'

const generic = 16
const controller = { type: 16, getFamily: 3, id: 1, name: 2 } as const
const headerBytes = 4

/** In the guest's present world. */
export async function guestIpvs(guest: KernelIpvs): Promise<IpvsKernel> {
  const ask = async (type: number, flags: number, body: Uint8Array, verb: string): Promise<Uint8Array[]> => {
    const message = encodeMessage({ type, flags: messageFlags.request | flags, sequence: 1, port: 0, payload: body })
    const [{ answer }] = await guest.do([{ kind: 'netlink', protocol: generic, message }])
    const payloads: Uint8Array[] = []
    for (const { type, payload } of decodeMessages(answer))
      if (type === messageTypes.error || type === messageTypes.done) {
        const errno = payload.length < 4 ? 0 : decodeErrno(payload)
        if (errno !== 0) throw new NetlinkError(errnoName(errno), verb, 'generic')
      } else payloads.push(payload.subarray(headerBytes))
    return payloads
  }
  const bodyOf = (command: number, version: number, attributes: readonly Attribute[]): Uint8Array =>
    Uint8Array.from([command, version, 0, 0, ...encodeAttributes(attributes)])
  const family = bodyOf(controller.getFamily, 1, [[controller.name, text(ipvsFamily.name)]])
  const [found] = await ask(controller.type, messageFlags.ack, family, 'look for IPVS')
  const id = readU16(decodeAttributes(found ?? new Uint8Array()).get(controller.id) ?? new Uint8Array())
  const run = async (...command: string[]) => (await guest.do([{ kind: 'run', command }]))[0]
  return {
    ask: (command, attributes, verb) =>
      ask(id, messageFlags.ack, bodyOf(command, ipvsFamily.version, attributes), verb),
    list: (command, attributes, verb) =>
      ask(id, messageFlags.dump, bodyOf(command, ipvsFamily.version, attributes), verb),
    async read(path) {
      const { code, stdout } = await run('cat', path)
      return code === 0 ? stdout : undefined
    },
    async write(file, content) {
      const [{ error }] = await guest.do([{ kind: 'write', file, content }])
      if (error !== undefined) throw new Error(`write ${file}: ${error}`)
    },
    async *lines(path) {
      yield* (await run('cat', path)).stdout.split('\n')
    },
    hasModule: async (name) => (await run('ls', `/sys/module/${name}`)).code === 0,
    loadModule: async (name) => {
      if ((await run('ls', `/sys/module/${name}`)).code !== 0) throw new Error(`the guest has no module ${name}`)
    },
    [Symbol.dispose]: () => undefined,
  }
}
