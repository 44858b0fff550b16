/** Programs of eBPF: loaded by libbpf, attached, pinned, tried out. What fails says why, and what can be done about it. */
import { InfraError } from '../errors.ts'
import { attribute, bpfCall, closeFd, commands, EEXIST, ENOENT, putAddress, steady } from './bpf-call.ts'
import { errnoName, koffi } from './libc.ts'
import { addressOf, pinned } from './sockets.ts'
import { verifierReason } from './verifier-log.ts'

type Handle = object | null
type Load = ((object: Handle) => number) & {
  async(object: Handle, then: (error: Error | null, result: number) => void): void
}
type Libbpf = {
  open(bytes: number, length: number, options: number): Handle
  readonly load: Load
  close(object: Handle): void
  findMap(object: Handle, name: string): Handle
  findProgram(object: Handle, name: string): Handle
  mapFd(map: Handle): number
  programFd(program: Handle): number
  setMaxEntries(map: Handle, count: number): number
  reuseFd(map: Handle, fd: number): number
  createHook(hook: number): number
  attach(hook: number, options: number): number
  detach(hook: number, options: number): number
}

let libbpf: Libbpf | undefined

/** Whether programs can be loaded here at all. @throws InfraError `missing-tool`, `unsupported` or `permission`, with what would help. */
export function throwIfNoBpf(): void {
  library()
  const array = { type: 2, keyBytes: 4, valueBytes: 4, entries: 1 }
  const fd = bpfCall(commands.mapCreate, (attribute) => {
    for (const [at, value] of Object.values(array).entries()) attribute.writeUInt32LE(value, at * 4)
  })
  if (fd >= 0) return closeFd(fd)
  const errno = errnoName(-fd)
  const isDenied = errno === 'EPERM' || errno === 'EACCES'
  throw new InfraError(isDenied ? 'permission' : 'unsupported', `the kernel refuses bpf(2): ${errno}`, {
    subject: 'eBPF',
  })
}

/** @throws InfraError `missing-tool`. */
function library(): Libbpf {
  if (libbpf !== undefined) return libbpf
  let loaded: ReturnType<ReturnType<typeof koffi>['load']>
  try {
    loaded = koffi().load('libbpf.so.1')
  } catch (cause) {
    const hint = 'install libbpf 1.0 or newer: the package libbpf1 of Debian and Ubuntu, libbpf of RHEL and its kin'
    throw new InfraError('missing-tool', 'the library libbpf.so.1 cannot be loaded', { subject: 'libbpf', hint, cause })
  }
  const func = (name: string, result: string, parameters: string) => loaded.func(`${result} ${name}(${parameters})`)
  // It would write to standard error; what matters is told by our own errors.
  func('libbpf_set_print', 'void *', 'void *')(null)
  libbpf = {
    open: func('bpf_object__open_mem', 'void *', 'int64_t, size_t, int64_t'),
    load: func('bpf_object__load', 'int', 'void *') as Load,
    close: func('bpf_object__close', 'void', 'void *'),
    findMap: func('bpf_object__find_map_by_name', 'void *', 'void *, const char *'),
    findProgram: func('bpf_object__find_program_by_name', 'void *', 'void *, const char *'),
    mapFd: func('bpf_map__fd', 'int', 'void *'),
    programFd: func('bpf_program__fd', 'int', 'void *'),
    setMaxEntries: func('bpf_map__set_max_entries', 'int', 'void *, uint32_t'),
    reuseFd: func('bpf_map__reuse_fd', 'int', 'void *, int'),
    createHook: func('bpf_tc_hook_create', 'int', 'int64_t'),
    attach: func('bpf_tc_attach', 'int', 'int64_t, int64_t'),
    detach: func('bpf_tc_detach', 'int', 'int64_t, int64_t'),
  }
  return libbpf
}

export type BpfObject = Disposable & {
  /** Descriptors, valid until it is disposed of. */
  map(name: string): number
  program(name: string): number
}

export type ObjectOptions = {
  /** How many entries maps are to hold. */
  readonly maxEntries: Readonly<Record<string, number>>
  /** Maps that stand already, by their descriptors; they are not taken over, only shared. */
  readonly reuse: Readonly<Record<string, number>>
}

const logBytes = 4 * 1024 * 1024

/** @throws InfraError `permission`, `missing-tool`, or `unsupported` when this kernel refuses the program. */
export function loadObject(bytes: Uint8Array, options: ObjectOptions): BpfObject {
  const failure = tryLoad(bytes, options, undefined)
  if (typeof failure !== 'number') return failure
  const errno = errnoName(failure)
  if (errno === 'EPERM')
    throw new InfraError('permission', 'eBPF programs may not be loaded here', {
      subject: 'eBPF',
      hint: 'run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; containers need --privileged or --cap-add',
    })
  if (errno === 'EAGAIN')
    throw new InfraError('failed', 'the kernel was interrupted by signals each time that it checked the program', {
      subject: 'eBPF',
      hint: 'run it without a profiler that works by signals',
    })
  // Once more, with the verifier's words.
  const log = Buffer.allocUnsafeSlow(logBytes).fill(0)
  const again = tryLoad(bytes, options, log)
  if (typeof again !== 'number') return again
  const end = log.indexOf(0)
  throw new InfraError(
    'unsupported',
    `this kernel refuses the program: ${verifierReason(log.toString('utf8', 0, end), errno)}`,
    {
      subject: 'eBPF',
      hint: 'it needs Linux 5.15 or newer with BPF, BTF and the network classifier built in',
    },
  )
}

/** As `loadObject`, of one that is known to load here: the verifier takes its time in another thread. @throws InfraError */
export async function loadObjectAside(bytes: Uint8Array, options: ObjectOptions): Promise<BpfObject> {
  const lib = library()
  const object = openObject(bytes, options, undefined)
  if (typeof object === 'number')
    throw new InfraError('failed', `open the program: ${errnoName(object)}`, { subject: 'eBPF' })
  const result = await new Promise<number>((resolve, reject) =>
    lib.load.async(object, (error, code) => (error === null ? resolve(code) : reject(error))),
  )
  if (result >= 0) return loadedObject(object)
  lib.close(object)
  throw new InfraError('failed', `load the program: ${errnoName(-result)}`, { subject: 'eBPF' })
}

/** The object, or an errno. */
function tryLoad(bytes: Uint8Array, options: ObjectOptions, log: Buffer | undefined): BpfObject | number {
  const lib = library()
  const object = openObject(bytes, options, log)
  if (typeof object === 'number') return object
  const result = lib.load(object)
  if (result >= 0) return loadedObject(object)
  lib.close(object)
  return -result
}

/** The handle, or an errno. */
function openObject(bytes: Uint8Array, { maxEntries, reuse }: ObjectOptions, log: Buffer | undefined): object | number {
  const lib = library()
  const memory = steady(bytes)
  // struct bpf_object_open_opts: sz 0, kernel_log_buf 56, kernel_log_size 64, kernel_log_level 72.
  const open = pinned(80)
  open.bytes.writeBigUInt64LE(80n, 0)
  if (log !== undefined) {
    putAddress(open.bytes, 56, log)
    open.bytes.writeBigUInt64LE(BigInt(log.length), 64)
    open.bytes.writeUInt32LE(1, 72)
  }
  const object = lib.open(addressOf(memory), memory.length, open.address)
  if (object === null) return koffi().errno()
  for (const [name, count] of Object.entries(maxEntries)) lib.setMaxEntries(lib.findMap(object, name), count)
  for (const [name, fd] of Object.entries(reuse)) lib.reuseFd(lib.findMap(object, name), fd)
  return object
}

function loadedObject(object: object): BpfObject {
  const lib = library()
  const fdOf = (name: string, fd: number): number => {
    if (fd < 0) throw new InfraError('failed', `the program has no ${name}`, { subject: 'eBPF' })
    return fd
  }
  return {
    map: (name) => fdOf(name, lib.mapFd(lib.findMap(object, name))),
    program: (name) => fdOf(name, lib.programFd(lib.findProgram(object, name))),
    [Symbol.dispose]: () => lib.close(object),
  }
}

/** Pins what a descriptor stands for at a path of a BPF file system. @throws InfraError */
export function pin(fd: number, path: string): void {
  const text = steady(Buffer.from(`${path}\0`))
  const result = bpfCall(commands.pin, (target) => {
    putAddress(target, 0, text)
    target.writeUInt32LE(fd, 8)
  })
  if (result < 0) throw new InfraError('failed', `pin ${path}: ${errnoName(-result)}`, { subject: path })
}

/** A descriptor of what is pinned there, or undefined when nothing is. @throws InfraError */
export function pinnedFd(path: string): number | undefined {
  const text = steady(Buffer.from(`${path}\0`))
  const result = bpfCall(commands.get, (target) => putAddress(target, 0, text))
  if (result === -ENOENT) return undefined
  if (result < 0) throw new InfraError('failed', `take up ${path}: ${errnoName(-result)}`, { subject: path })
  return result
}

export type Hook = 'in' | 'out'
const tcx = { in: 46, out: 47 } as const

/** A link that keeps the program at an interface; undefined where this kernel has no tcx (before 6.6). @throws InfraError */
export function attachTcx(program: number, interfaceIndex: number, hook: Hook): number | undefined {
  const result = bpfCall(commands.linkCreate, (target) => {
    target.writeUInt32LE(program, 0)
    target.writeUInt32LE(interfaceIndex, 4)
    target.writeUInt32LE(tcx[hook], 8)
  })
  if (result >= 0) return result
  if (errnoName(-result) === 'EINVAL') return undefined
  throw new InfraError('failed', `attach to interface ${interfaceIndex}: ${errnoName(-result)}`, { subject: 'eBPF' })
}

const xdp = { attachType: 37, driverMode: 4 } as const

/**
 * A link that keeps the program at an interface ahead of the stack, run by the interface's driver; never by the kernel in
 * its stead, which loses large packets. @throws InfraError `unsupported` where the driver does not, `busy` where another
 * program is there.
 */
export function attachXdp(program: number, interfaceIndex: number): number {
  const result = bpfCall(commands.linkCreate, (target) => {
    target.writeUInt32LE(program, 0)
    target.writeUInt32LE(interfaceIndex, 4)
    target.writeUInt32LE(xdp.attachType, 8)
    target.writeUInt32LE(xdp.driverMode, 12)
  })
  if (result >= 0) return result
  const errno = errnoName(-result)
  throw new InfraError(
    errno === 'EBUSY' || errno === 'EEXIST' ? 'busy' : 'unsupported',
    `native XDP at interface ${interfaceIndex}: ${errno}`,
    { subject: 'eBPF', hint: 'say --xdp auto or off, or name other interfaces (--interface)' },
  )
}

/** Another program in place of the link's, at once. @throws InfraError */
export function updateLink(link: number, program: number): void {
  const result = bpfCall(commands.linkUpdate, (target) => {
    target.writeUInt32LE(link, 0)
    target.writeUInt32LE(program, 4)
  })
  if (result < 0) throw new InfraError('failed', `exchange the program: ${errnoName(-result)}`, { subject: 'eBPF' })
}

/** The interface that a link of tcx or XDP stands at, by number; 0: it is gone. @throws InfraError */
export function linkInterface(link: number): number {
  // struct bpf_link_info: type 0, id 4, program 8, then by type; of these two the interface is first.
  const info = pinned(64)
  const result = bpfCall(commands.infoByFd, (target) => {
    target.writeUInt32LE(link, 0)
    target.writeUInt32LE(info.bytes.length, 4)
    putAddress(target, 8, info.bytes)
  })
  if (result < 0) throw new InfraError('failed', `ask for a link: ${errnoName(-result)}`, { subject: 'eBPF' })
  return info.bytes.readUInt32LE(16)
}

/** Takes the link's program from its interface. An interface that is gone has none any more. */
export function detachLink(link: number): void {
  bpfCall(commands.linkDetach, (target) => target.writeUInt32LE(link, 0))
}

const clsact = { in: 1, out: 2 } as const
/** Ours among the filters of an interface: others may stand before and behind it. */
const filter = { handle: 1, priority: 0xba70 } as const

/** ```
 *  struct bpf_tc_hook   0 size  8 interface  12 attach point
 *  struct bpf_tc_opts   0 size  8 program  12 flags  20 handle  24 priority
 *  ``` */
function filterMemory(interfaceIndex: number, hook: Hook) {
  const [place, options] = [pinned(24), pinned(32)]
  place.bytes.writeBigUInt64LE(24n, 0)
  place.bytes.writeInt32LE(interfaceIndex, 8)
  place.bytes.writeUInt32LE(clsact[hook], 12)
  options.bytes.writeBigUInt64LE(32n, 0)
  options.bytes.writeUInt32LE(filter.handle, 20)
  options.bytes.writeUInt32LE(filter.priority, 24)
  return { place, options }
}

/** As a filter of the interface's clsact, in place of an older one of ours. It stays when the process ends. @throws InfraError */
export function attachFilter(program: number, interfaceIndex: number, hook: Hook): void {
  const replace = 1
  const { place, options } = filterMemory(interfaceIndex, hook)
  const lib = library()
  const created = lib.createHook(place.address)
  if (created < 0 && created !== -EEXIST) throw filterError('make clsact at', interfaceIndex, created)
  options.bytes.writeInt32LE(program, 8)
  options.bytes.writeUInt32LE(replace, 12)
  const result = lib.attach(place.address, options.address)
  if (result < 0) throw filterError('attach to', interfaceIndex, result)
}

/** Succeeds when it is not there. @throws InfraError */
export function detachFilter(interfaceIndex: number, hook: Hook): void {
  const { place, options } = filterMemory(interfaceIndex, hook)
  const result = library().detach(place.address, options.address)
  if (result < 0 && result !== -ENOENT && errnoName(-result) !== 'EINVAL' && errnoName(-result) !== 'ENODEV')
    throw filterError('detach from', interfaceIndex, result)
}

function filterError(verb: string, interfaceIndex: number, result: number): InfraError {
  return new InfraError('failed', `${verb} interface ${interfaceIndex}: ${errnoName(-result)}`, { subject: 'eBPF' })
}

export type TestRun = { readonly verdict: number; readonly packet: Uint8Array; readonly nanoseconds: number }

/** Runs a program on a packet without sending anything. `context`: struct __sk_buff, as far as it is set. @throws InfraError */
export function testRun(program: number, packet: Uint8Array, context?: Uint8Array, repeat = 1): TestRun {
  const input = steady(packet)
  const output = Buffer.allocUnsafeSlow(packet.length + 256)
  const around = context === undefined ? undefined : steady(context)
  const result = bpfCall(commands.testRun, (target) => {
    target.writeUInt32LE(program, 0)
    target.writeUInt32LE(input.length, 8)
    target.writeUInt32LE(output.length, 12)
    putAddress(target, 16, input)
    putAddress(target, 24, output)
    target.writeUInt32LE(repeat, 32)
    if (around === undefined) return
    target.writeUInt32LE(around.length, 40)
    putAddress(target, 48, around)
  })
  if (result < 0) throw new InfraError('failed', `run the program: ${errnoName(-result)}`, { subject: 'eBPF' })
  const length = attribute.readUInt32LE(12)
  return {
    verdict: attribute.readInt32LE(4),
    packet: output.subarray(0, length),
    nanoseconds: attribute.readUInt32LE(36),
  }
}

export { closeFd }
