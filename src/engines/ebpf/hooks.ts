/** Where packets meet the program: interfaces, each kept by one director alone. */
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InfraError } from '../../errors.ts'
import { attachFilter, attachTcx, attachXdp, closeFd, type Hook, pin, pinnedFd, updateLink } from '../../os/bpf.ts'
import { type Interface, listInterfaces } from '../../os/interfaces.ts'
import { type LockFile, takeLockFile } from '../../os/lock-file.ts'
import { networkNamespaceId } from '../../os/network-namespace.ts'
import { type Attachment, attachmentFile, attachmentsOf, drop, isGone } from './attachments.ts'
import { encodePort } from './encode.ts'
import { indexKey } from './maps.ts'
import { hooksOf, meetingPlaces, runsAhead } from './meeting-places.ts'
import { otherPlaces } from './place.ts'
import type { Program } from './program.ts'
import type { Xdp } from './tuning.ts'

export type HookOptions = {
  /** Names; left out: those that `meetingPlaces` chooses. */
  readonly interfaces: readonly string[] | undefined
  /** `tcx` where the kernel has it (6.6), else filters of clsact. */
  readonly attach: 'tcx' | 'clsact'
  readonly xdp: Xdp
  /** The BPF file system. */
  readonly root: string
  /** Where locks stand. */
  readonly lockDirectory: string
}

type Claimed = Interface & { readonly lock: LockFile }

export class Hooks {
  readonly #program: Program
  readonly #options: HookOptions
  readonly #claimed = new Map<number, Claimed>()
  readonly #attached = new Set<number>()

  constructor(program: Program, options: HookOptions) {
    this.#program = program
    this.#options = options
  }

  /** Takes interfaces that are new, and forgets those that are gone. @throws InfraError `busy` for one that is another director's. */
  claim(): void {
    const all = listInterfaces()
    for (const own of meetingPlaces(all, this.#options.interfaces))
      if (!this.#claimed.has(own.index)) this.#claimed.set(own.index, { ...own, lock: this.#lock(own) })
    const standing = new Set(all.map(({ index }) => index))
    for (const index of this.#claimed.keys()) if (!standing.has(index)) this.#forget(index)
  }

  /** Whether another program of ours takes packets at one of them, which this one is to replace. */
  get hasPredecessor(): boolean {
    const standing = [...this.#own(), ...this.#others()]
    return standing.some((attachment) => this.#claimed.has(attachment.interface) && !isGone(attachment))
  }

  /** From here on packets meet the program, wherever the interfaces that were claimed had none or another. */
  attach(): void {
    for (const [index, own] of this.#claimed) {
      if (this.#attached.has(index)) continue
      for (const hook of hooksOf(own)) this.#attach(index, hook)
      this.#attachAhead(own)
      this.#attached.add(index)
    }
  }

  /** Takes the program away from interfaces that were ours and are not wanted any more. */
  dropUnwanted(): void {
    for (const attachment of this.#own()) if (!this.#claimed.has(attachment.interface)) drop(attachment)
  }

  /** Takes the program away from everywhere. */
  detach(): void {
    for (const attachment of this.#own()) drop(attachment)
    this.release()
  }

  /** Leaves all as it is, for the next director. */
  release(): void {
    for (const { lock } of this.#claimed.values()) lock[Symbol.dispose]()
    this.#claimed.clear()
    this.#attached.clear()
  }

  #lock({ name, index }: Interface): LockFile {
    const lock = takeLockFile(interfaceLock(this.#options.lockDirectory, index))
    if (!('holder' in lock)) return lock
    throw new InfraError('busy', `interface ${name} belongs to another director: ${lock.holder}`, {
      subject: name,
      retryable: true,
      hint: 'stop that one, or name other interfaces for this one (--interface)',
    })
  }

  #forget(index: number): void {
    for (const { file, interface: own } of this.#own()) if (own === index) rmSync(file, { force: true })
    this.#claimed.get(index)?.lock[Symbol.dispose]()
    this.#claimed.delete(index)
    this.#attached.delete(index)
    this.#program.ports.delete(indexKey(index))
  }

  /** A link that stands gets the new program, and not a packet passes between; also one of a director that is no more. */
  #attach(index: number, hook: Hook): void {
    const at = (attachment: Attachment): boolean => attachment.interface === index && attachment.hook === hook
    const [own, others] = [this.#own().filter(at), this.#others().filter(at)]
    const usesLink = [...own, ...others].some((link) => this.#adopt(link)) || this.#link(index, hook)
    if (!usesLink) this.#filter(index, hook)
    // A packet is to meet the program once, also where the kernel was changed meanwhile.
    for (const other of own) if ((other.kind === 'link') !== usesLink) drop(other)
    for (const other of others) if (other.kind === 'filter' && usesLink) drop(other)
    for (const { file } of others) rmSync(file, { force: true })
  }

  /** Ahead of the stack, where that is wanted; from when its port is told of, frames are sent there, too. */
  #attachAhead(own: Interface): void {
    const at = (attachment: Attachment): boolean => attachment.interface === own.index && attachment.hook === 'ahead'
    const standing = [...this.#own(), ...this.#others()].filter(at)
    if (!runsAhead(own, this.#options.xdp)) {
      for (const attachment of standing) drop(attachment)
      return
    }
    if (!standing.some((link) => this.#adopt(link))) {
      const link = this.#linkAhead(own)
      if (link === undefined) return
      try {
        this.#pin(link, attachmentFile(this.#program.directory, 'link', own.index, 'ahead'))
      } finally {
        closeFd(link)
      }
    }
    for (const { file } of this.#others().filter(at)) rmSync(file, { force: true })
    this.#program.ports.update(indexKey(own.index), encodePort(own.address))
  }

  #linkAhead({ index }: Interface): number | undefined {
    try {
      return attachXdp(this.#program.ahead, index)
    } catch (error) {
      if (this.#options.xdp === 'auto' && error instanceof InfraError) return undefined
      throw error
    }
  }

  /** Whether the link takes the program. */
  #adopt({ kind, file, interface: index, hook }: Attachment): boolean {
    const link = kind === 'link' ? pinnedFd(file) : undefined
    if (link === undefined) return false
    try {
      updateLink(link, this.#program[hook])
      const home = attachmentFile(this.#program.directory, 'link', index, hook)
      if (file !== home) this.#pin(link, home)
      return true
    } catch {
      // Its interface was taken away and came back by the same number: the link leads nowhere.
      rmSync(file, { force: true })
      return false
    } finally {
      closeFd(link)
    }
  }

  #link(index: number, hook: Hook): boolean {
    const link = this.#options.attach === 'tcx' ? attachTcx(this.#program[hook], index, hook) : undefined
    if (link === undefined) return false
    try {
      this.#pin(link, attachmentFile(this.#program.directory, 'link', index, hook))
    } finally {
      closeFd(link)
    }
    return true
  }

  #filter(index: number, hook: Hook): void {
    const file = attachmentFile(this.#program.directory, 'filter', index, hook)
    rmSync(file, { force: true })
    this.#pin(this.#program[hook], file)
    attachFilter(this.#program[hook], index, hook)
  }

  #pin(fd: number, file: string): void {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    pin(fd, file)
  }

  #own(): readonly Attachment[] {
    return attachmentsOf(this.#program.directory)
  }

  #others(): readonly Attachment[] {
    return otherPlaces(this.#options.root, this.#program.directory).flatMap(attachmentsOf)
  }
}

export function interfaceLock(lockDirectory: string, index: number): string {
  return join(lockDirectory, `ebpf-${networkNamespaceId()}-${index}.lock`)
}
