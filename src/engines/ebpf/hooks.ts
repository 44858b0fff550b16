/** Where packets meet the program: interfaces, each kept by one director alone. */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { InfraError } from '../../errors.ts'
import {
  attachFilter,
  attachTcx,
  closeFd,
  detachFilter,
  detachLink,
  type Hook,
  pin,
  pinnedFd,
  updateLink,
} from '../../os/bpf.ts'
import { tryLockExclusive } from '../../os/flock.ts'
import { type Interface, listInterfaces } from '../../os/interfaces.ts'
import { hooksOf, meetingPlaces } from './meeting-places.ts'
import type { Program } from './program.ts'

export type HookOptions = {
  /** Names; left out: those that `meetingPlaces` chooses. */
  readonly interfaces: readonly string[] | undefined
  /** `tcx` where the kernel has it (6.6), else filters of clsact. */
  readonly attach: 'tcx' | 'clsact'
  /** Where locks stand. */
  readonly lockDirectory: string
}

const hooks: readonly Hook[] = ['in', 'out']

export class Hooks {
  readonly #program: Program
  readonly #options: HookOptions
  readonly #locks = new Map<number, number>()
  readonly #namespace: string

  constructor(program: Program, namespace: string, options: HookOptions) {
    this.#program = program
    this.#namespace = namespace
    this.#options = options
    mkdirSync(options.lockDirectory, { recursive: true, mode: 0o700 })
  }

  get interfaces(): number {
    return this.#locks.size
  }

  /** Attaches to interfaces that are new, and forgets those that are gone. @throws InfraError `busy` for one that is another director's. */
  follow(): void {
    const wanted = meetingPlaces(listInterfaces(), this.#options.interfaces)
    const standing = new Set(listInterfaces().map(({ index }) => index))
    for (const own of wanted) if (!this.#locks.has(own.index)) this.#take(own)
    for (const [index, lock] of this.#locks) {
      if (standing.has(index)) continue
      for (const hook of hooks) rmSync(this.#linkFile(index, hook), { force: true })
      rmSync(this.#lockFile(index), { force: true })
      closeSync(lock)
      this.#locks.delete(index)
    }
  }

  /** Takes the program away from everywhere. */
  detach(): void {
    for (const [index, lock] of this.#locks) {
      for (const hook of hooks) {
        const link = pinnedFd(this.#linkFile(index, hook))
        if (link === undefined) detachFilter(index, hook)
        else this.#drop(link, index, hook)
      }
      rmSync(this.#lockFile(index), { force: true })
      closeSync(lock)
    }
    this.#locks.clear()
  }

  /** Leaves all as it is, for the next director. */
  release(): void {
    for (const lock of this.#locks.values()) closeSync(lock)
    this.#locks.clear()
  }

  /** Of interfaces that were ours and are not wanted any more, or that are gone. */
  dropUnwanted(): void {
    for (const file of existsSync(this.#linkDirectory) ? readdirSync(this.#linkDirectory) : []) {
      const [, index = '', hook] = /^(\d+)-(in|out)$/u.exec(file) ?? []
      if (hook === undefined || this.#locks.has(Number(index))) continue
      const link = pinnedFd(join(this.#linkDirectory, file))
      if (link !== undefined) this.#drop(link, Number(index), hook as Hook)
    }
  }

  #lockFile(index: number): string {
    return join(this.#options.lockDirectory, `ebpf-${this.#namespace}-${index}.lock`)
  }

  #take(own: Interface): void {
    const lock = this.#lock(own)
    try {
      for (const hook of hooksOf(own)) this.#attach(own.index, hook)
    } catch (error) {
      closeSync(lock)
      throw error
    }
    this.#locks.set(own.index, lock)
  }

  #lock({ name, index }: Interface): number {
    const file = this.#lockFile(index)
    const lock = openSync(file, 'a', 0o600)
    // Not one that its last holder has taken away meanwhile.
    if (tryLockExclusive(lock) && statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(lock).ino) return lock
    closeSync(lock)
    throw new InfraError('busy', `interface ${name} belongs to another director`, {
      subject: name,
      retryable: true,
      hint: 'stop that one, or name other interfaces for this one',
    })
  }

  /** A link that stands gets the new program, and not a packet passes between. */
  #attach(index: number, hook: Hook): void {
    const program = this.#program[hook]
    const file = this.#linkFile(index, hook)
    const standing = pinnedFd(file)
    if (standing !== undefined) {
      try {
        updateLink(standing, program)
        return
      } catch {
        // Its interface was taken away and came back by the same number: the link leads nowhere.
        rmSync(file, { force: true })
      } finally {
        closeFd(standing)
      }
    }
    const link = this.#options.attach === 'tcx' ? attachTcx(program, index, hook) : undefined
    if (link === undefined) return attachFilter(program, index, hook)
    mkdirSync(this.#linkDirectory, { recursive: true, mode: 0o700 })
    try {
      pin(link, file)
    } finally {
      closeFd(link)
    }
  }

  #drop(link: number, index: number, hook: Hook): void {
    detachLink(link)
    closeFd(link)
    rmSync(this.#linkFile(index, hook), { force: true })
  }

  get #linkDirectory(): string {
    return join(this.#program.directory, 'links')
  }

  #linkFile(index: number, hook: Hook): string {
    return join(this.#linkDirectory, `${index}-${hook}`)
  }
}
