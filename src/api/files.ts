/** Where a director keeps what on its host. */
import type { Host } from '../hosts/host.ts'

export type DirectorFiles = {
  /** The control API; mode 0600. */
  readonly socket: string
  /** Held by the daemon for as long as it lives. */
  readonly lock: string
  /** The process to end, or to ask whether it lives: the supervisor, or a daemon without one. */
  readonly pid: string
  /** Held by whoever looks for a director and starts one. */
  readonly launch: string
  /** The process id that `pid` had when a program that only needs a director started it: it ends with the last of them. */
  readonly startedForAnother: string
  /** What was made by hand: for a daemon that is started again after a crash. */
  readonly byHand: string
  /** The engine whose traffic an orderly end has kept: the next daemon goes on with it, as after a crash. */
  readonly kept: string
  /** Present while services of a director may stand in the kernel's IPVS. */
  readonly inIpvs: string
  /** Present while virtual routers of a director may have addresses here. */
  readonly routers: string
  /** The intent and the log. */
  readonly directory: string
  readonly log: string
}

export function directorFiles({ directories: { runtime, state } }: Pick<Host, 'directories'>): DirectorFiles {
  return {
    socket: `${runtime}/director.sock`,
    lock: `${runtime}/director.lock`,
    pid: `${runtime}/director.pid`,
    launch: `${runtime}/director.launch`,
    startedForAnother: `${runtime}/director.started`,
    byHand: `${runtime}/director.edits`,
    kept: `${runtime}/director.kept`,
    inIpvs: `${runtime}/director.ipvs`,
    routers: `${runtime}/director.routers`,
    directory: `${state}/director`,
    log: `${state}/director/director.log`,
  }
}
