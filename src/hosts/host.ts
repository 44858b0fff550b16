/** The Host port: a machine that Baton reaches. Everything that touches a host goes through it, local or remote. */
import type { Duplex } from 'node:stream'

export type HostFacts = {
  readonly hostname: string
  readonly architecture: string
  readonly kernel: string
  /** The ID and VERSION_ID of os-release(5). */
  readonly distribution: { readonly id: string; readonly version: string }
  readonly memoryBytes: number
  readonly availableMemoryBytes: number
  readonly cpus: number
  readonly cpuFlags: readonly string[]
  readonly isRoot: boolean
  /** Changes at every boot: what was cached about the kernel is void then. */
  readonly bootId: string
}

export type CallOptions = { readonly signal: AbortSignal }

export type RunOptions = CallOptions & {
  readonly input?: string | Uint8Array
  /** Added to the host's own environment. */
  readonly environment?: Readonly<Record<string, string>>
  readonly directory?: string
  /** Called with each piece of standard error as it comes: for progress. */
  readonly onStderr?: (text: string) => void
}

/** A command that ran to its end; a non-zero code is a value, not an error. Killed by a signal: code 128 + number. */
export type RunResult = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type Directories = {
  /** Sockets and pid files: gone after a reboot. */
  readonly runtime: string
  /** Definitions, disks, the director's intent: kept. */
  readonly state: string
  /** Images: may be deleted at any time, built again when needed. */
  readonly cache: string
}

/** All paths are absolute. Every method throws InfraError; an aborted signal ends it with `cancelled` or `timeout`. */
export interface Host {
  readonly name: string
  readonly directories: Directories
  facts(options: CallOptions): Promise<HostFacts>
  /** @throws InfraError `missing-tool` when there is no such program. The whole process group ends at an abort. */
  run(command: readonly string[], options: RunOptions): Promise<RunResult>
  /** Starts a process that outlives this one and the session; resolves to its pid once it was started. */
  spawn(
    command: readonly string[],
    options: CallOptions & {
      readonly environment?: Readonly<Record<string, string>>
      /** Standard output and error are appended here; otherwise they are dropped. */
      readonly logFile?: string
    },
  ): Promise<number>
  /** undefined when there is no such file. */
  readFile(path: string, options: CallOptions): Promise<Uint8Array | undefined>
  /**
   * Atomic: a reader sees the old or the new content, also across a crash. Makes missing parent directories. A mode that is
   * left out is that of the file which stands there, with its owner; of a new file 0644.
   */
  writeFile(
    path: string,
    content: string | Uint8Array,
    options: CallOptions & { readonly mode?: number },
  ): Promise<void>
  /** Names in a directory, sorted; undefined when there is no such directory. */
  list(path: string, options: CallOptions): Promise<readonly string[] | undefined>
  makeDirectory(path: string, options: CallOptions & { readonly mode?: number }): Promise<void>
  /** Atomic replacement of `to`. */
  rename(from: string, to: string, options: CallOptions): Promise<void>
  /** Removes a file or a whole directory; succeeds when it is gone already. */
  remove(path: string, options: CallOptions): Promise<void>
  /** A stream to a unix socket. @throws InfraError `not-found` (no socket file) or `unreachable` (nobody listens). */
  connect(path: string, options: CallOptions): Promise<Duplex>
  /**
   * Waits for an exclusive lock on a file that is made when missing. The lock ends with the holder's process, however
   * it ends, so there is no stale lock.
   */
  lock(path: string, options: CallOptions): Promise<AsyncDisposable>
  /** 0 only asks whether the process lives. Resolves to false when there is no such process. */
  signal(pid: number, signal: 0 | 'SIGTERM' | 'SIGKILL' | 'SIGHUP' | 'SIGCONT', options: CallOptions): Promise<boolean>
  /**
   * Lets the listening TCP sockets that a process has on these ports hold `backlog` connections until it accepts them.
   * Resolves to how many were changed: fewer than asked, or none, where this user may not touch the process.
   */
  widenBacklog(pid: number, ports: readonly number[], backlog: number, options: CallOptions): Promise<number>
}
