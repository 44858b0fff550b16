/** What the Xen lab does, in order; each step says what was seen, and throws where it was something else. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { makePlan, run } from '../../src/cluster/converge.ts'
import { parseSpec } from '../../src/cluster/spec/parse.ts'
import { isInfraError } from '../../src/errors.ts'
import { readyMark } from '../../src/guests/images/tiny-init.ts'
import { listVolumes } from '../../src/guests/storage/lvm.ts'
import { balanceOverTwo } from './balance.ts'
import type { CreatedGuest } from './created.ts'
import { changeLive } from './live.ts'
import { guestKernel, guestRamdisk, soon, type XenWorld } from './world.ts'
import { bootCreated, createOnVolumes } from './xen-tools.ts'

export type Step = {
  /** What calls it alone. */
  readonly word: string
  readonly name: string
  /** The words of those that it goes on from. */
  readonly needs?: readonly string[]
  readonly run: (world: XenWorld) => Promise<string>
}

/** The named steps and those that they need, in their order; all where none is named. @throws Error for a word that is none. */
export function withNeeds(steps: readonly Step[], words: readonly string[]): readonly Step[] {
  const unknown = words.find((word) => !steps.some((step) => step.word === word))
  if (unknown !== undefined)
    throw new Error(`there is no step ${unknown}, but ${steps.map(({ word }) => word).join(', ')}`)
  const wanted = new Set(words.length === 0 ? steps.map(({ word }) => word) : words)
  for (const { word, needs = [] } of steps.toReversed())
    if (wanted.has(word)) for (const need of needs) wanted.add(need)
  return steps.filter(({ word }) => wanted.has(word))
}

const [first, second] = ['10.0.2.21', '10.0.2.22'] as const

const spec = `
name: lab
hosts: { dom0: { hypervisor: xen, bridge: xenbr0 } }
images: { small: { kernel: ${guestKernel}, initrd: ${guestRamdisk}, cmdline: "quiet panic=-1 net.ifnames=0" } }
guests:
  web: { count: 2, image: small, memory: 112M, network: { addresses: [${first}/24, ${second}/24], gateway: 10.0.2.2 }, autostart: true }
`

/** `created`: a guest of xen-create-image, on the disk /dev/vdc. */
export const stepsWith = (created: CreatedGuest): readonly Step[] => [
  { word: 'up', name: 'guests of a spec are brought up, and answer on the bridge', run: bringUp },
  {
    word: 'console',
    needs: ['up'],
    name: 'a console shows what the guest says, and takes what is typed',
    run: typeOnConsole,
  },
  { word: 'save', needs: ['up'], name: 'a guest is paused, saved, and goes on where it was', run: saveAndRestore },
  {
    word: 'live',
    needs: ['up'],
    name: 'a guest is changed while it runs',
    run: (world) => changeLive(world, 'web-2'),
  },
  {
    word: 'balance',
    needs: ['up'],
    name: 'a service over two guests goes on while one is killed',
    run: (world) => balanceOverTwo(world, ['web-1', first], ['web-2', second]),
  },
  {
    word: 'shutdown',
    needs: ['up'],
    name: 'guests shut down in order, and a plan for them is empty afterwards',
    run: shutDown,
  },
  { word: 'volumes', name: 'disks on LVM are made, used and removed, and others stay', run: useVolumes },
  {
    word: 'tools',
    needs: ['volumes'],
    name: 'xen-create-image makes a guest on LVM, and xen-delete-image takes it away',
    run: createOnVolumes,
  },
  { word: 'refused', name: 'what xl refuses is told with its cause, and leaves nothing', run: beRefused },
  {
    word: 'xendomains',
    needs: ['up', 'shutdown'],
    name: 'xendomains starts with the host what has autostart',
    run: startWithHost,
  },
  {
    word: 'debian',
    name: 'Debian of xen-create-image boots with 256M and has its network',
    run: (world) => bootCreated(world, created),
  },
]

function clusterSpec() {
  const { spec: parsed, diagnostics } = parseSpec({
    text: spec,
    file: 'lab.yaml',
    environment: {},
    readInclude: () => undefined,
  })
  assert(parsed !== undefined, JSON.stringify(diagnostics))
  return parsed
}

async function bringUp(world: XenWorld): Promise<string> {
  const [wanted, sites] = [clusterSpec(), new Map([['dom0', { ...world.site, name: 'dom0' }]])]
  const plan = await makePlan(wanted, sites, 'up', soon())
  const { failed } = await run(plan, wanted, sites, 'up', soon())
  assert.deepEqual(failed, [])
  for (const [name, address] of [
    ['web-1', first],
    ['web-2', second],
  ] as const)
    assert.equal(await world.answerOf(address), `hello from ${name}\n`)
  const table = await world.must('xl', 'list')
  assert.match(table, /^web-1 /m)
  assert.match(table, /^web-2 /m)
  assert.deepEqual((await makePlan(wanted, sites, 'up', soon())).steps, [])
  return 'xl list shows web-1 and web-2, both answer HTTP, and another up has nothing to do'
}

async function typeOnConsole({ hypervisor }: XenWorld): Promise<string> {
  const console = await hypervisor.console('web-1', soon())
  try {
    console.write('\recho "six times seven is $((6*7))"\r')
    let seen = ''
    for await (const chunk of console.iterator({ destroyOnReturn: false })) {
      seen += Buffer.from(chunk as Uint8Array).toString()
      if (seen.includes('six times seven is 42')) break
    }
  } finally {
    console.destroy()
  }
  const log = await hypervisor.consoleLog('web-1', { maxBytes: 65_536, ...soon() })
  assert.match(log, new RegExp(`${readyMark}: web-1`))
  return 'the shell on hvc0 reckons, and the log has it'
}

async function saveAndRestore({ hypervisor, answerOf, find }: XenWorld): Promise<string> {
  await hypervisor.pause('web-1', soon())
  assert.equal((await find('web-1'))?.state, 'paused')
  await hypervisor.save('web-1', soon())
  assert.equal((await find('web-1'))?.state, 'saved')
  await hypervisor.start('web-1', soon())
  assert.equal((await find('web-1'))?.state, 'running')
  assert.equal(await answerOf(first), 'hello from web-1\n')
  const boots = (await hypervisor.consoleLog('web-1', { maxBytes: 262_144, ...soon() })).split(readyMark).length - 1
  assert.equal(boots, 1)
  const { cpuSeconds, residentBytes, network } = await hypervisor.statistics('web-1', soon())
  assert(cpuSeconds >= 0 && residentBytes > 2 ** 26 && network !== undefined)
  return `it answers without a boot; xentop counts ${Math.round(residentBytes / 1024 ** 2)}M for it`
}

async function shutDown({ hypervisor, find, must }: XenWorld): Promise<string> {
  for (const name of ['web-1', 'web-2']) {
    await hypervisor.shutdown(name, soon())
    assert.equal((await find(name))?.state, 'stopped')
  }
  assert.doesNotMatch(await must('xl', 'list'), /web-/)
  return 'both powered off by themselves; xl list has Domain-0 alone'
}

async function useVolumes(world: XenWorld): Promise<string> {
  const { hypervisor, must, dom0, definition, answerOf } = world
  await must('sh', '-c', 'vgs vg0 > /dev/null 2>&1 || { pvcreate -q -ff -y /dev/vdb && vgcreate -q vg0 /dev/vdb; }')
  await must('lvcreate', '-q', '-y', '-L', '8M', '-n', 'precious-disk0', 'vg0')
  const disks = [{ sizeBytes: 64 * 1024 ** 2, volumeGroup: 'vg0' }]
  await hypervisor.define(definition('web-3', '10.0.2.23', { disks }), soon())
  await hypervisor.start('web-3', soon())
  assert.equal(await answerOf('10.0.2.23'), 'hello from web-3\n')
  assert.match(await must('xl', 'block-list', 'web-3'), /51712/)
  const names = async (): Promise<string[]> =>
    (await listVolumes(dom0.host, 'vg0', soon())).map(({ name }) => name).sort()
  assert.deepEqual(await names(), ['precious-disk0', 'web-3-disk0'])
  const taken = await failureOf(hypervisor.define(definition('precious', undefined, { disks }), soon()))
  assert.equal(taken.code, 'already-exists')
  await hypervisor.undefine('web-3', soon())
  assert.deepEqual(await names(), ['precious-disk0'])
  await must('lvremove', '-q', '-y', 'vg0/precious-disk0')
  return 'web-3 has xvda on vg0; its volume goes with it, the one that was there stays'
}

async function beRefused({ hypervisor, definition, must, dom0 }: XenWorld): Promise<string> {
  await hypervisor.define(definition('odd', undefined, { network: { kind: 'bridge', bridge: 'nobr' } }), soon())
  const noBridge = await failureOf(hypervisor.start('odd', soon()))
  assert.equal(noBridge.code, 'not-found')
  assert.match(noBridge.message, /nobr/)
  await hypervisor.define(definition('odd', undefined, { memoryBytes: 2 ** 33 }), soon())
  assert.equal((await failureOf(hypervisor.start('odd', soon()))).code, 'no-space')
  assert.doesNotMatch(await must('xl', 'list'), /odd/)
  await hypervisor.undefine('odd', soon())
  const hvm = 'name = "odd"\ntype = "hvm"\nmemory = 64\ndisk = ["/srv/guests/cd.iso,,hdc,cdrom"]\nvnc = 1\n'
  await dom0.host.writeFile('/etc/xen/odd.cfg', hvm, soon())
  await must('truncate', '-s', '1M', '/srv/guests/cd.iso')
  assert.equal((await failureOf(hypervisor.start('odd', soon()))).code, 'unsupported')
  await dom0.host.remove('/etc/xen/odd.cfg', soon())
  return noBridge.message
}

async function startWithHost({ must, find, answerOf, hypervisor }: XenWorld): Promise<string> {
  await must('sh', '-c', '[ ! -e /etc/init.d/xendomains ] || /etc/init.d/xendomains start')
  assert.equal(await answerOf(first), 'hello from web-1\n')
  assert.equal((await find('web-2'))?.state, 'running')
  for (const name of ['web-1', 'web-2']) await hypervisor.undefine(name, soon())
  assert.equal(await must('sh', '-c', 'ls /etc/xen/auto; ls /var/lib/baton/xen'), '')
  return 'the links in /etc/xen/auto started both; nothing is left of them after undefine'
}

async function failureOf(failing: Promise<unknown>) {
  const error: unknown = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert(isInfraError(error), `expected a failure, not ${String(error)}`)
  await sleep(0)
  return error
}
