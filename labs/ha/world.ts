/** Routers in namespaces on one bridge: Baton's, and Debian's keepalived as their peer. As root; all of it vanishes with its owner. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { RouterConfig } from '../../src/vrrp/machine/config.ts'
import type { RouterSpec, VrrpSpec } from '../../src/vrrp/spec.ts'
import type { RouterStatus, VrrpEvent } from '../../src/vrrp/status.ts'
import { router } from '../../test/build/vrrp.ts'
import { removeLocksOf } from '../ebpf/locks.ts'
import type { Witnessed } from './witness.ts'

const execute = promisify(execFile)
let made = 0

export type Said =
  | VrrpEvent
  | { readonly kind: 'done' }
  | { readonly kind: 'status'; readonly routers: readonly RouterStatus[] }

/** A router of Baton's, in a process of its own. */
export type BatonRouter = {
  readonly pid: number
  readonly said: Said[]
  order(order: object): void
  status(): Promise<readonly RouterStatus[]>
  /** Without a farewell. */
  kill(): Promise<void>
  end(): Promise<void>
}

/** A keepalived. */
export type Keepalived = { kill(): Promise<void>; end(): Promise<void>; reload(instance: string): Promise<void> }

export class Site implements AsyncDisposable {
  readonly #tag = `baton-ha-${process.pid}-${made++}`
  readonly #children = new Set<ChildProcess>()
  readonly #places: string[] = []
  readonly #bridges = new Set<string>()
  #folder = ''

  /** Places 0, 1 … with 10.99.0.1, 10.99.0.2 … and fd99::1, fd99::2 … on `eth0`, joined by a bridge. */
  static async open(places: number): Promise<Site> {
    const site = new Site()
    try {
      await site.#build(places)
      return site
    } catch (error) {
      await site[Symbol.asyncDispose]()
      throw error
    }
  }

  async #build(places: number): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'baton-ha-'))
    const bridge = await this.#addPlace('bridge')
    await this.#makeBridge('br0')
    for (let at = 0; at < places; at++) {
      const place = await this.#addPlace(String(at))
      await this.#ip('-n', bridge, 'link', 'add', `port${at}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', place)
      await this.#ip('-n', bridge, 'link', 'set', `port${at}`, 'master', 'br0', 'up')
      await this.#ip('-n', place, 'address', 'add', `10.99.0.${at + 1}/24`, 'dev', 'eth0')
      await this.#ip('-n', place, 'address', 'add', `fd99::${at + 1}/64`, 'dev', 'eth0')
      await this.#ip('-n', place, 'link', 'set', 'eth0', 'up')
    }
  }

  async #makeBridge(name: string): Promise<void> {
    if (this.#bridges.has(name)) return
    this.#bridges.add(name)
    const hub = `${this.#tag}-bridge`
    await this.#ip('-n', hub, 'link', 'add', name, 'type', 'bridge', 'mcast_snooping', '0')
    await this.#ip('-n', hub, 'link', 'set', name, 'up')
  }

  async #addPlace(place: string): Promise<string> {
    const name = `${this.#tag}-${place}`
    await this.#ip('netns', 'add', name)
    this.#places.push(name)
    const quiet = ['net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0']
    await execute('ip', ['netns', 'exec', name, 'sysctl', '-qw', ...quiet])
    await this.#ip('-n', name, 'link', 'set', 'lo', 'up')
    return name
  }

  /** Cable out, or in: at the switch. */
  async cable(at: number, state: 'up' | 'down'): Promise<void> {
    await this.#ip('-n', `${this.#tag}-bridge`, 'link', 'set', `port${at}`, state)
  }

  /** Whether these places hear each other; their links stay up. */
  async part(isParted: boolean, ...places: readonly number[]): Promise<void> {
    const state = isParted ? 'on' : 'off'
    for (const at of places)
      await execute('bridge', ['-n', `${this.#tag}-bridge`, 'link', 'set', 'dev', `port${at}`, 'isolated', state])
  }

  /**
   * Taps on the bridge, for a guest that QEMU runs where the answer's prefix leads to. `bridge`: another one than that of the
   * places, made when it is not there.
   */
  async tap(name: string, bridge = 'br0'): Promise<string[]> {
    const place = `${this.#tag}-bridge`
    await this.#makeBridge(bridge)
    await this.#ip('-n', place, 'tuntap', 'add', name, 'mode', 'tap')
    await this.#ip('-n', place, 'link', 'set', name, 'master', bridge, 'up')
    return ['nsenter', `--net=/run/netns/${place}`]
  }

  /** One more interface of a place, on a bridge of its own; the bridge is made when it is not there. */
  async join(at: number, device: string, bridge: string, address: string): Promise<void> {
    const [hub, place, port] = [`${this.#tag}-bridge`, this.name(at), `${bridge}-${at}`]
    await this.#makeBridge(bridge)
    await this.#ip('-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', place)
    await this.#ip('-n', hub, 'link', 'set', port, 'master', bridge, 'up')
    await this.#ip('-n', place, 'address', 'add', address, 'dev', device)
    await this.#ip('-n', place, 'link', 'set', device, 'up')
  }

  /** Of its namespace. */
  name(at: number): string {
    return `${this.#tag}-${at}`
  }

  /** Runs a command there, as a prefix of it. */
  inside(at: number): string[] {
    return ['nsenter', `--net=/run/netns/${this.name(at)}`]
  }

  /** A program that ends with the site. */
  start(at: number, ...command: readonly string[]): void {
    this.begin(at, ...command).stdout?.resume()
  }

  /** As `start`, to be spoken with. */
  begin(at: number, ...command: readonly string[]): ChildProcess {
    const inside = ['netns', 'exec', this.name(at), ...command]
    const child = spawn('ip', inside, {
      stdio: ['pipe', 'pipe', process.env['HA_LAB_LOG'] === undefined ? 'ignore' : 'inherit'],
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  async run(at: number, ...command: readonly string[]): Promise<string> {
    return (await execute('ip', ['netns', 'exec', `${this.#tag}-${at}`, ...command])).stdout
  }

  /** All that run in a place now. */
  async processes(at: number): Promise<number[]> {
    const { stdout } = await execute('ip', ['netns', 'pids', this.name(at)])
    return stdout.split('\n').filter(Boolean).map(Number)
  }

  /** Where an address stands now. */
  async holders(address: string): Promise<number[]> {
    const places = this.#places.slice(1)
    const has = await Promise.all(
      places.map(async (place) =>
        (await execute('ip', ['-n', place, '-o', 'address'])).stdout.includes(` ${address}/`),
      ),
    )
    return has.flatMap((isThere, at) => (isThere ? [at] : []))
  }

  async baton(at: number, spec: VrrpSpec): Promise<BatonRouter> {
    const file = join(import.meta.dirname, 'router.ts')
    const child = this.begin(at, process.execPath, '--import', 'tsx', file)
    const said: Said[] = []
    const waiting: (() => void)[] = []
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => {
        said.push(JSON.parse(line) as Said)
        for (const wake of waiting.splice(0)) wake()
      })
    const order = (order: object): void => void child.stdin?.write(`${JSON.stringify(order)}\n`)
    const next = async (kind: Said['kind'], from: number): Promise<Said> => {
      for (;;) {
        const found = said.slice(from).find((one) => one.kind === kind)
        if (found !== undefined) return found
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
    }
    order({ kind: 'apply', spec })
    await next('done', 0)
    const gone = once(child, 'exit')
    return {
      pid: child.pid ?? 0,
      said,
      order,
      async status() {
        const from = said.length
        order({ kind: 'status' })
        const answer = await next('status', from)
        return answer.kind === 'status' ? answer.routers : []
      },
      async kill() {
        child.kill('SIGKILL')
        await gone
      },
      async end() {
        order({ kind: 'end' })
        await gone
      },
    }
  }

  /** All advertisements that come to that place from now on. */
  async witness(at: number): Promise<readonly Witnessed[]> {
    const child = this.begin(at, process.execPath, '--import', 'tsx', join(import.meta.dirname, 'witness.ts'))
    const seen: Witnessed[] = []
    if (child.stdout === null) throw new Error('the witness says nothing')
    const lines = createInterface({ input: child.stdout })
    await once(lines, 'line')
    lines.on('line', (line) => seen.push(JSON.parse(line) as Witnessed))
    return seen
  }

  async keepalived(at: number, instance: string): Promise<Keepalived> {
    const folder = await mkdtemp(join(this.#folder, `keepalived-${at}-`))
    const file = join(folder, 'keepalived.conf')
    const write = (text: string): Promise<void> => writeFile(file, `global_defs {\n router_id place${at}\n}\n${text}\n`)
    await write(instance)
    const pids = ['-p', join(folder, 'pid'), '-r', join(folder, 'vrrp.pid')]
    const child = this.begin(at, 'keepalived', '-P', '-n', '-l', '-f', file, ...pids)
    child.stdout?.resume()
    const gone = once(child, 'exit')
    return {
      async reload(next) {
        await write(next)
        child.kill('SIGHUP')
      },
      async kill() {
        // Its own child holds the addresses: both go, as they do when a machine dies.
        const { stdout } = await execute('pgrep', ['-P', String(child.pid)]).catch(() => ({ stdout: '' }))
        child.kill('SIGKILL')
        for (const pid of stdout.split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL')
        await gone
      },
      async end() {
        child.kill('SIGTERM')
        await gone
      },
    }
  }

  async #ip(...parts: readonly string[]): Promise<void> {
    await execute('ip', parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGTERM')
    await Promise.all([...this.#children].map((child) => once(child, 'exit')))
    for (const place of this.#places) {
      await removeLocksOf(place).catch(() => undefined)
      await execute('ip', ['netns', 'delete', place]).catch(() => undefined)
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** One router of one address, or as a test means it. */
export function alone(changes: Partial<RouterConfig>, rest: Partial<RouterSpec> = {}): VrrpSpec {
  const usual = router({ addresses: [changes.family === 'ipv6' ? 'fe80::100' : '10.99.0.100'], ...changes })
  const group = usual.family === 'ipv6' ? 'ff02::12' : '224.0.0.18'
  const config = changes.paths
    ? usual
    : { ...usual, paths: [{ interface: 'eth0', to: { kind: 'multicast', group } }] as const }
  const prefix = config.family === 'ipv6' ? 64 : 24
  const holds = config.addresses.map((address) => ({ address, prefix, interface: 'eth0' }))
  return {
    groups: [
      { name: config.name, members: [{ config, holds, hasVirtualMac: false, accepts: true, tracked: [], ...rest }] },
    ],
  }
}

/** Waits until it is so; says how long that took. @throws Error after `mostMs`. */
export async function until(what: string, isSo: () => Promise<boolean>, mostMs = 60_000): Promise<number> {
  const began = performance.now()
  while (!(await isSo())) {
    if (performance.now() - began > mostMs) throw new Error(`not within ${mostMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - began
}
