/** A host with a pretended Xen: xl(1) and its neighbours as Xen 4.17 answers them, over the fake host. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseXlCfg } from '../../src/formats/xl-cfg/parse.ts'
import { numberSetting, settingsOf, textSetting } from '../../src/formats/xl-cfg/settings.ts'
import { type FakeHost, fakeHost } from '../../src/hosts/fake/fake.ts'
import type { RunOptions, RunResult } from '../../src/hosts/host.ts'

type Domain = {
  readonly name: string
  readonly id: number
  readonly uuid: string
  memory: number
  vcpus: number
  readonly maxMemory: number
  readonly maxVcpus: number
  /** Specifications of what was attached to it. */
  readonly devices: Map<string, string>
  flags: string
  readonly cfg: string
}

export type FakeXenHost = {
  readonly host: FakeHost
  /** What was asked of xl, in order. */
  readonly calls: readonly string[]
  /** `xl destroy` by somebody else; a power-off from inside. */
  destroy(name: string): Promise<void>
  powerOff(name: string): Promise<void>
  /** The next xl command of this name fails with these words and this code. */
  fail(command: string, stderr: string, code: number): void
}

const signal = new AbortController().signal
const ok = (stdout = ''): RunResult => ({ code: 0, stdout, stderr: '' })
const no = (code: number, stderr: string): RunResult => ({ code, stdout: '', stderr })
const freeMemory = 1502

export function fakeXenHost({ capabilities = 'pv' }: { readonly capabilities?: string } = {}): FakeXenHost {
  const host = fakeHost()
  const domains = new Map<string, Domain>()
  const calls: string[] = []
  const failures = new Map<string, RunResult>()
  let nextId = 1
  const logFile = (name: string): string => `/var/log/xen/console/guest-${name}.log`
  const read = async (path: string): Promise<string> =>
    new TextDecoder().decode((await host.readFile(path, { signal })) ?? new Uint8Array())
  const append = async (path: string, text: string): Promise<void> =>
    host.writeFile(path, (await read(path)) + text, { signal })
  const note = async ({ name, id }: Domain, what: string): Promise<void> =>
    append(`/var/log/xen/xl-${name}.log`, `Domain ${id} ${what}\n`)
  const find = (word = ''): Domain | undefined =>
    domains.get(word) ?? [...domains.values()].find(({ id }) => String(id) === word)

  const create = async (text: string, flags: string): Promise<RunResult> => {
    const { settings } = settingsOf(parseXlCfg(text).assignments)
    const name = textSetting(settings, 'name')
    if (name === undefined) return no(1, 'Domain name must be specified.\n')
    const id = nextId++
    if (domains.has(name))
      return no(
        3,
        `libxl: error: libxl_domain.c:102:libxl__domain_rename: Domain ${id}:Domain with name "${name}" already exists.\nlibxl: error: libxl_create.c:1199:initiate_domain_create: Domain ${id}:cannot make domain: -6\nlibxl: error: libxl_domain.c:1183:libxl__destroy_domid: Domain ${id}:Non-existant domain\n`,
      )
    const [memory = 32, vcpus = 1] = ['memory', 'vcpus'].map((key) => numberSetting(settings, key))
    const domain: Domain = {
      name,
      id,
      uuid: textSetting(settings, 'uuid') ?? randomUUID(),
      memory,
      vcpus,
      maxMemory: numberSetting(settings, 'maxmem') ?? memory,
      maxVcpus: numberSetting(settings, 'maxvcpus') ?? vcpus,
      devices: new Map(),
      flags,
      cfg: text,
    }
    domains.set(name, domain)
    await host.writeFile(`/var/log/xen/xl-${name}.log`, `Waiting for domain ${name} (domid ${id}) to die [pid 9]\n`, {
      signal,
    })
    return ok()
  }

  const end = async (domain: Domain, what: string): Promise<RunResult> => {
    await note(domain, what)
    domains.delete(domain.name)
    return ok()
  }

  const names = (word?: string): string[] => [...(find(word)?.devices.keys() ?? [])]

  const commands: Readonly<Record<string, (args: readonly string[]) => Promise<RunResult>>> = {
    list: async () => ok(table([...domains.values()])),
    info: async () =>
      ok(
        `xen_version            : 4.17.7\nvirt_caps              : ${capabilities}\nfree_memory            : ${freeMemory}\nnr_cpus                : 2\n`,
      ),
    async create([, path = '']) {
      const result = await create(await read(path), '-b----')
      const { settings } = settingsOf(parseXlCfg(await read(path)).assignments)
      const name = textSetting(settings, 'name') ?? ''
      if (result.code === 0) await append(logFile(name), `Linux version fake\r\n${name} is up\r\n`)
      return result
    },
    restore: async ([, path = '']) => create(await read(path), '--p---'),
    async save([name = '', path = '']) {
      const domain = domains.get(name)
      if (domain === undefined) return invalid(name)
      if (domain.flags[2] === 'p') return no(1, unanswered(domain.id))
      await host.writeFile(path, domain.cfg, { signal })
      return end(domain, 'has been destroyed.')
    },
    pause: async ([word]) => flagged(find(word), '--p---'),
    unpause: async ([word]) => flagged(find(word), '-b----'),
    async shutdown(args) {
      const domain = find(args.at(-1))
      if (domain === undefined) return invalid(args.at(-1))
      void sleep(5).then(() => end(domain, 'has shut down, reason code 0 0x0'))
      return ok(`Shutting down domain ${domain.id}\n`)
    },
    async 'mem-set'([word, size = '']) {
      const domain = find(word)
      const memory = Number.parseInt(size, 10)
      if (domain === undefined) return invalid(word)
      if (memory > domain.maxMemory)
        return no(1, 'libxl: error: memory_dynamic_max must be less than or equal to memory_static_max\n')
      domain.memory = memory
      return ok()
    },
    async 'vcpu-set'([word, count]) {
      const domain = find(word)
      if (domain === undefined) return invalid(word)
      if (Number(count) > domain.maxVcpus)
        return no(1, `Requested ${count} VCPUs, however maxcpus is ${domain.maxVcpus}!\n`)
      domain.vcpus = Number(count)
      return ok()
    },
    async 'block-attach'([word, spec = '']) {
      find(word)?.devices.set(/vdev=(\w+)/.exec(spec)?.[1] ?? '', spec)
      return ok()
    },
    async 'network-attach'([word, ...words]) {
      find(word)?.devices.set(/mac=([0-9a-f:]+)/.exec(words.join(','))?.[1] ?? '', words.join(','))
      return ok()
    },
    'block-detach': async ([word, name = '']) =>
      find(word)?.devices.delete(name) ? ok() : no(1, `Error: Device ${name} not connected.\n`),
    'network-detach': async ([word, name = '']) =>
      find(word)?.devices.delete(name) ? ok() : no(1, `Error: Device ${name} not connected.\n`),
    'block-list': async ([word]) =>
      ok(
        `Vdev  BE  handle state evt-ch ring-ref BE-path\n${names(word)
          .filter((name) => name.startsWith('xvd'))
          .map((name) => `${51_712 + 16 * (name.charCodeAt(3) - 97)} 0      1     4     -1     -1 /local/domain/0/x\n`)
          .join('')}`,
      ),
    'network-list': async ([word]) =>
      ok(
        `Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path\n${names(word)
          .filter((name) => name.includes(':'))
          .map((name) => `1   0  ${name}    1     4     -1    -1/-1          /local/domain/0/x\n`)
          .join('')}`,
      ),
    async migrate([word]) {
      const domain = find(word)
      return domain === undefined ? invalid(word) : end(domain, 'has been destroyed.')
    },
    async destroy([word]) {
      const domain = find(word)
      return domain === undefined ? invalid(word) : end(domain, 'has been destroyed.')
    },
  }
  host.install('xl', async ([command = '', ...args], options) => {
    calls.push([command, ...args].join(' '))
    await new Promise((resolve) => setImmediate(resolve))
    if (options.signal.aborted) return ok()
    const failure = failures.get(command)
    failures.delete(command)
    return failure ?? commands[command]?.(args) ?? no(1, 'command not implemented\n')
  })
  installNeighbours(host, domains, read, append)
  return {
    host,
    calls,
    fail: (command, stderr, code) => void failures.set(command, no(code, stderr)),
    destroy: async (name) => void (await commands['destroy']?.([name])),
    async powerOff(name) {
      const domain = domains.get(name)
      if (domain !== undefined) await end(domain, 'has shut down, reason code 0 0x0')
    },
  }
}

/** A paused guest cannot acknowledge, and xl waits a minute for it. */
const unanswered = (id: number): string =>
  `libxl: error: libxl_dom_suspend.c:350:suspend_common_wait_guest_timeout: Domain ${id}:guest didn't acknowledge suspend, cancelling request\n`

const invalid = (word = ''): RunResult => no(1, `${word} is an invalid domain identifier (rc=-6)\n`)

async function flagged(domain: Domain | undefined, flags: string): Promise<RunResult> {
  if (domain === undefined) return invalid()
  domain.flags = flags
  return ok()
}

/** As xl prints it: names padded to 40, the header with tabs, the rows with blanks. */
function table(domains: readonly Domain[]): string {
  const row = (name: string, id: number, memory: number, vcpus: number, flags: string, uuid: string): string =>
    `${name.padEnd(40)} ${String(id).padStart(5)} ${String(memory).padStart(5)} ${String(vcpus).padStart(5)}     ${flags}  ${'6.1'.padStart(8)} ${uuid}            -                -`
  const lines = domains.map(({ name, id, memory, vcpus, flags, uuid }) => row(name, id, memory, vcpus, flags, uuid))
  const header =
    'Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label'
  return [header, row('Domain-0', 0, 1024, 1, 'r-----', '00000000-0000-0000-0000-000000000000'), ...lines, ''].join(
    '\n',
  )
}

/** The other programs that the hypervisor calls. */
function installNeighbours(
  host: FakeHost,
  domains: ReadonlyMap<string, Domain>,
  read: (path: string) => Promise<string>,
  append: (path: string, text: string) => Promise<void>,
): void {
  const terminal = (id: number): string => `/dev/pts/${id}`
  const alive = (path: string): Domain | undefined => [...domains.values()].find(({ id }) => terminal(id) === path)
  host.install('xenstore-read', async ([key = '']) => ok(`${terminal(Number(/domain\/(\d+)/.exec(key)?.[1]))}\n`))
  host.install('xentop', async () =>
    ok(
      [...domains.values()]
        .map(
          ({ name, memory }) =>
            `${name} --b---  6  0.0 ${memory * 1024} 4.2 ${memory * 1024} 4.2 1 1 12 34 1 0 77 5 4096 16 0\n`,
        )
        .join(''),
    ),
  )
  host.install('ip', async () => ok())
  host.install('ln', async ([, , from = '', to = '']) => {
    await host.writeFile(to, from, { signal })
    return ok()
  })
  host.install('truncate', async (args) => {
    await host.writeFile(args.at(-1) ?? '', '', { signal })
    return ok()
  })
  host.install('stat', async (args) => ok(String((await read(args.at(-1) ?? '')).length)))
  host.install('tail', async (args) => {
    const bytes = Number(args[1])
    return ok(bytes === 0 ? '' : (await read(args.at(-1) ?? '')).slice(-bytes))
  })
  // The two scripts of a serial line: what is typed is echoed by the guest, and followed in the log.
  host.install('sh', async ([, , , ...args], options) =>
    args.length === 1 ? type(args[0] ?? '', options) : follow(args, options),
  )
  const type = async (path: string, { input }: RunOptions): Promise<RunResult> => {
    const domain = alive(path)
    if (domain === undefined) return no(1, 'dd: failed to open\n')
    await append(`/var/log/xen/console/guest-${domain.name}.log`, Buffer.from(input ?? '').toString())
    return ok()
  }
  const follow = async ([from, tty = '', log = '']: readonly string[], options: RunOptions): Promise<RunResult> => {
    for (;;) {
      const text = (await read(log)).slice(Number(from) - 1)
      if (text !== '' || alive(tty) === undefined || options.signal.aborted)
        return ok(Buffer.from(text).toString('base64'))
      await sleep(2)
    }
  }
}
