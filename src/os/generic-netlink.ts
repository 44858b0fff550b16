/** Families of generic netlink (Linux, Documentation/networking/generic_netlink): found by name, asked by command. */
import type { Attribute } from '../wire/netlink.ts'
import { decodeAttributes, encodeAttributes, readU16, text } from '../wire/netlink.ts'
import { NetlinkError, NetlinkSocket } from './netlink.ts'

const controller = { type: 16, getFamily: 3, id: 1, name: 2, version: 1 } as const
/** struct genlmsghdr: command, version, reserved. */
const headerBytes = 4

export type FamilyName = { readonly name: string; readonly version: number }

export class GenericFamily implements Disposable {
  readonly #socket: NetlinkSocket
  readonly #type: number
  readonly #version: number

  private constructor(socket: NetlinkSocket, type: number, version: number) {
    this.#socket = socket
    this.#type = type
    this.#version = version
  }

  /** undefined where the kernel, or none of its modules that are loaded, has it. @throws NetlinkError */
  static open({ name, version }: FamilyName): GenericFamily | undefined {
    const socket = new NetlinkSocket('generic')
    try {
      const payload = encodeRequest(controller.getFamily, controller.version, [[controller.name, text(name)]])
      const [answer] = socket.request({ type: controller.type, payload, verb: `look for the family ${name}` })
      const id = decodeAttributes(answer?.payload ?? new Uint8Array(), headerBytes).get(controller.id)
      if (id === undefined) throw new NetlinkError('ENOENT', `look for the family ${name}`, 'generic')
      return new GenericFamily(socket, readU16(id), version)
    } catch (error) {
      socket[Symbol.dispose]()
      if (error instanceof NetlinkError && error.errno === 'ENOENT') return undefined
      throw error
    }
  }

  /** The attributes of each answer, without the header before them. `verb` tells errors what was tried. @throws NetlinkError */
  request(command: number, attributes: readonly Attribute[], verb: string): Uint8Array[] {
    const payload = encodeRequest(command, this.#version, attributes)
    return this.#socket.request({ type: this.#type, payload, verb }).map(bodyOf)
  }

  /** All that there are. @throws NetlinkError */
  async dump(command: number, attributes: readonly Attribute[], verb: string): Promise<Uint8Array[]> {
    const payload = encodeRequest(command, this.#version, attributes)
    return (await this.#socket.dump({ type: this.#type, payload, verb })).map(bodyOf)
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }
}

function encodeRequest(command: number, version: number, attributes: readonly Attribute[]): Uint8Array {
  return Uint8Array.from([command, version, 0, 0, ...encodeAttributes(attributes)])
}

function bodyOf({ payload }: { readonly payload: Uint8Array }): Uint8Array {
  return payload.subarray(headerBytes)
}
