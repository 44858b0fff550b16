/** Two directors for one address, as a user runs them: `baton director --config`, `baton status`, `baton director handover`. */
import { type ChildProcess, execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { RouterJson, StatusJson } from '../../src/cli/local/status.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { isRoot } from '../net/namespaces.ts'
import { Site, until } from './world.ts'

const execute = promisify(execFile)
const address = '10.99.0.100'

type Running = {
  readonly baton: Baton
  readonly file: string
  child: ChildProcess | undefined
  ended: Promise<unknown>
}

function write({ baton }: { baton: Baton }, priority: number, more = ''): string {
  const file = join(baton.directory, 'baton.yaml')
  writeFileSync(
    file,
    [
      'name: shop',
      'services:',
      `  www: { address: "${address}:80", servers: [{ address: "10.99.0.3:8080" }], check: { tcp: true, every: 500ms } }`,
      'directors:',
      '  engine: userspace',
      `  vrrp: { interface: eth0, id: 51, every: 200ms, priority: ${priority}, addresses: [${address}/24${more}] }`,
    ].join('\n'),
  )
  return file
}

async function start(running: Running): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    running.ended = running.baton
      .start(['director', '--config', running.file], (line, child) => {
        running.child = child
        if (line.includes('director serves')) resolve()
      })
      .then((ended) => reject(new Error(ended.stderr)))
  })
}

describe.runIf(isRoot())('two directors for one address', () => {
  test('clients are served through hand-over, cut cable, kill and new start; what is wrong is told', {
    timeout: 400_000,
  }, async () => {
    await using site = await Site.open(3)
    site.start(2, 'socat', 'TCP-LISTEN:8080,fork,reuseaddr', 'SYSTEM:echo hello')
    await using first = openBaton(site.inside(0))
    await using second = openBaton(site.inside(1))
    const one: Running = {
      baton: first,
      file: write({ baton: first }, 150),
      child: undefined,
      ended: Promise.resolve(),
    }
    const two: Running = {
      baton: second,
      file: write({ baton: second }, 100),
      child: undefined,
      ended: Promise.resolve(),
    }
    await Promise.all([start(one), start(two)])
    const router = async ({ baton }: Running): Promise<RouterJson | undefined> =>
      (await baton.json<StatusJson>('status')).routers[0]
    const isServed = async (): Promise<boolean> => {
      const command = ['socat', '-T2', '-', `TCP:${address}:80,connect-timeout=1`]
      const [program = '', ...words] = [...site.inside(2), ...command]
      const { stdout } = await execute(program, words).catch(() => ({ stdout: '' }))
      return stdout.trim() === 'hello'
    }
    const at = async (what: string, ...places: number[]): Promise<void> => {
      const took = await until(what, async () => (await site.holders(address)).join() === places.join(), 30_000)
      console.log(`${what}: ${took.toFixed(0)} ms`)
      await until(`served: ${what}`, isServed, 30_000)
    }
    await at('the higher priority is master', 0)
    expect(await router(one)).toMatchObject({ role: 'master', priority: 150, addresses: [address], troubles: [] })
    expect(await router(two)).toMatchObject({ role: 'backup', master: { address: '10.99.0.1', priority: 150 } })

    expect((await first.run('director', 'handover')).stdout).toContain('1 router handed over')
    await at('handed over', 1)
    expect(await router(one)).toMatchObject({ role: 'backup', yields: true })
    expect((await first.run('director', 'handover', 'vrrp', '--back')).code).toBe(0)
    await at('taken back', 0)
    expect((await first.run('director', 'handover', 'other')).stderr).toContain('no virtual router other runs here')

    await site.cable(0, 'down')
    await at('the cable is cut', 1)
    expect(await router(one)).toMatchObject({ role: 'fault', faults: ['interface eth0 fails'] })
    expect((await first.run('status')).stdout).toContain('at fault: interface eth0 fails')
    await site.cable(0, 'up')
    await at('the cable is in again', 0)

    one.child?.kill('SIGKILL')
    await until('the other one has it, too', async () => (await site.holders(address)).includes(1), 30_000)
    const again: Running = { ...one, file: write(one, 50) }
    await start(again)
    await at('what was left by the killed one is gone', 1)

    write(again, 50, ', 10.99.0.101/24')
    again.child?.kill('SIGHUP')
    const troubles = async (): Promise<string> => ((await router(two))?.troubles ?? []).join()
    await until(
      'other addresses are told',
      async () => (await troubles()).includes('with 10.99.0.101; give both the same list'),
      30_000,
    )

    again.child?.kill('SIGTERM')
    await until('it alone has it', async () => (await site.holders(address)).join() === '1', 30_000)
    two.child?.kill('SIGKILL')
    await two.ended.catch(() => undefined)
    expect(await site.holders(address)).toEqual([1])
    writeFileSync(two.file, 'name: shop\ndirectors: { engine: userspace }\n')
    const bare: Running = { ...two, ended: Promise.resolve() }
    await start(bare)
    await until('a file without routers leaves nothing', async () => (await site.holders(address)).length === 0, 30_000)
    bare.child?.kill('SIGTERM')
    await bare.ended.catch(() => undefined)

    const last: Running = { ...two, file: write(two, 100), ended: Promise.resolve() }
    await start(last)
    await at('it has it again', 1)
    last.child?.kill('SIGKILL')
    await last.ended.catch(() => undefined)
    expect((await second.run('director', 'stop')).stdout).toContain(
      'what a director had left in the kernel was taken away',
    )
    expect(await site.holders(address)).toEqual([])
    expect((await second.run('director', 'stop')).stdout).toContain('none has left anything')
  })
})
