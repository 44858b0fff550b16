/** Guests on a host over SSH: a spec starts them there, from files of this machine, and the director here serves them. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Baton, openBaton } from '../hello/baton.ts'
import { tinyFiles } from '../images/tiny.ts'
import { openChain } from '../net/namespaces.ts'
import { startSshd } from './sshd.ts'

const subnet = '10.199.7'
/** Two guests boot under emulation. */
const patienceMs = 400_000

type World = AsyncDisposable & {
  readonly baton: Baton
  /** The directories of the Baton over there. */
  readonly far: string
  readonly file: string
  /** Where clients go. */
  readonly service: string
  near(...command: readonly string[]): Promise<string>
}

/** The host is the right one of two namespaces, with an sshd, and with directories of its own; the director is in the left one. */
async function openWorld(): Promise<World> {
  const chain = await openChain(2)
  const [left = '', right = ''] = chain.namespaces
  const far = await mkdtemp(join(tmpdir(), 'bf-'))
  const address = chain.address(0, 2)
  const directories = { RUNTIME: 'run', STATE: 'state', CACHE: 'cache' }
  const variables = Object.entries(directories).map(([name, folder]) => `BATON_${name}_DIR=${far}/${folder}`)
  const sshd = await startSshd([`SetEnv ${variables.join(' ')}`], { namespace: right, address })
  const baton = openBaton([
    'ip',
    'netns',
    'exec',
    left,
    'env',
    `BATON_SSH_CONFIG=${sshd.environment['BATON_SSH_CONFIG']}`,
  ])
  await chain.run(0, ['ip', 'route', 'add', `${subnet}.0/24`, 'via', address])
  const { kernel, initrd } = await tinyFiles(baton)
  const service = `${chain.address(0, 1)}:8080`
  const file = join(baton.directory, 'baton.yaml')
  await writeFile(
    file,
    `name: far
hosts:
  here: {}
  hv1: { ssh: "root@${address}:${sshd.port}", bridge: br7, bridge-address: ${subnet}.1/24 }
images: { small: { kernel: ${kernel}, initrd: ${initrd}, cmdline: "console=ttyS0 quiet" } }
guests:
  web: { host: hv1, count: 2, image: small, memory: 96M, network: { addresses: [${subnet}.11/24, ${subnet}.12/24] } }
services:
  www: { address: "${service}", scheduler: rr, servers: [{ guests: web, port: 80 }], check: { http: /healthz, every: 500ms, timeout: 2s, rise: 1, fall: 2 } }
directors: { engine: userspace }
`,
  )
  return {
    baton,
    far,
    file,
    service,
    near: (...command) => chain.run(0, command),
    async [Symbol.asyncDispose]() {
      await baton[Symbol.asyncDispose]()
      await sshd[Symbol.asyncDispose]()
      await chain[Symbol.asyncDispose]()
      await rm(far, { recursive: true, force: true })
    },
  }
}

async function succeed({ baton }: World, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

test(
  'guests of a spec run on a host over SSH, from files that were brought there, and the director here serves them',
  async () => {
    await using world = await openWorld()
    const { baton, far, file } = world
    expect((await baton.run('plan', file)).stdout).toContain('guest.create hv1/web-1')
    await succeed(world, 'up', file)
    // Their files, sockets and images are there, and none is here.
    expect(await readdir(join(far, 'state/guests'))).toEqual(expect.arrayContaining(['web-1', 'web-2']))
    expect(baton.leftovers().filter((name) => name.includes('web-1'))).toEqual([])
    expect((await readdir(join(far, 'cache/images'))).filter((name) => /^[0-9a-f]{32}$/.test(name))).toHaveLength(1)
    const answers = new Set<string>()
    for (let count = 0; count < 4; count++)
      answers.add((await world.near('curl', '-sS', '--max-time', '10', `http://${world.service}/`)).trim())
    expect([...answers].sort()).toEqual(['hello from web-1', 'hello from web-2'])
    // What was done is not done again.
    const again = await baton.run('plan', file)
    expect(again.code, `${again.stdout}${again.stderr}`).toBe(0)
    await succeed(world, 'down', file)
    expect(await readdir(join(far, 'state')).catch(() => [])).not.toContain('guests')
  },
  patienceMs,
)
