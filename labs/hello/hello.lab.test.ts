/** What a newcomer does, with real guests: up, look, kill, up again, down. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type Baton, freePort, openBaton } from './baton.ts'

type Status = {
  readonly guests: readonly { readonly name: string; readonly host: string; readonly state: string }[]
  readonly services: readonly {
    readonly name: string
    readonly servers: readonly {
      readonly guest: string
      readonly weight: number
      readonly health: string
      readonly connections: number
    }[]
  }[]
}

const example = readFileSync(join(import.meta.dirname, '../../examples/hello.yaml'), 'utf8')

/** examples/hello.yaml on a port of its own. */
async function writeSpec(
  baton: Baton,
  change: (text: string) => string = (text) => text,
): Promise<{ file: string; port: number }> {
  const port = await freePort()
  const file = join(baton.directory, 'hello.yaml')
  writeFileSync(file, change(example.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)))
  return { file, port }
}

async function ask(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(5_000),
  })
  return (await answer.text()).trim()
}

/** Its standard output; a failure shows what it said. */
async function succeed(baton: Baton, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

async function pidOf(baton: Baton, guest: string): Promise<number> {
  return Number(readFileSync(join(baton.directory, 'run/guests', guest, 'pid'), 'utf8'))
}

const isRunning = ({ guests }: Status): boolean =>
  guests.length === 3 && guests.every(({ state }) => state === 'running')

describe('examples/hello.yaml with real guests', () => {
  test('comes up, answers from each guest in turn, survives a killed guest, and leaves nothing behind', async () => {
    await using baton = openBaton()
    const { file, port } = await writeSpec(baton)

    const first = await baton.run('up', file)
    expect(first, first.stderr).toMatchObject({ code: 0 })
    expect(first.stdout).toContain(`http://127.0.0.1:${port}`)
    const answers = [await ask(port), await ask(port), await ask(port)]
    expect(answers.toSorted()).toEqual(['hello from web-1', 'hello from web-2', 'hello from web-3'])

    const plan = await baton.run('plan', file)
    expect(plan, plan.stdout).toMatchObject({ code: 0 })
    const second = await baton.run('up', file)
    expect(second, second.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing to do') as string })

    process.kill(await pidOf(baton, 'web-2'), 'SIGKILL')
    await sleep(2 * 500 * 1.1 + 1_000) // fall × every (a tenth longer at most) + timeout
    for (let request = 0; request < 500; request += 1) expect(await ask(port)).toMatch(/^hello from web-[13]$/)
    const status = await baton.json<Status>('status')
    expect(status.guests.find(({ name }) => name === 'web-2')).toMatchObject({ state: 'crashed' })
    expect(status.services[0]?.servers.find(({ guest }) => guest === 'web-2')).toMatchObject({
      health: 'unhealthy',
      weight: 0,
    })

    const again = await baton.run('up', file)
    expect(again, again.stderr).toMatchObject({ code: 0 })
    expect(isRunning(await baton.json<Status>('status'))).toBe(true)
    await expect.poll(() => ask(port), { timeout: 10_000 }).toBe('hello from web-2')

    const down = await baton.run('down', file)
    expect(down, down.stderr).toMatchObject({ code: 0 })
    expect(baton.leftovers()).toEqual(['hello.yaml'])
    expect(baton.processes()).toEqual([])
  })

  test('a drain by hand holds through a crash of the director, which is back within a second', async () => {
    await using baton = openBaton()
    const { file, port } = await writeSpec(baton, (text) => text.replace('count: 3', 'count: 2'))
    await succeed(baton, 'up', file)
    await succeed(baton, 'drain', 'web-1')
    expect(await ask(port)).toBe('hello from web-2')

    const { director } = await baton.json<{ readonly director: { readonly processId: number } }>('status')
    process.kill(director.processId, 'SIGKILL')
    const begun = performance.now()
    await expect.poll(() => ask(port).catch(() => 'nothing'), { timeout: 5_000, interval: 20 }).toBe('hello from web-2')
    console.log(`the service answered ${Math.round(performance.now() - begun)} ms after its director was killed`)
    for (let request = 0; request < 20; request += 1) expect(await ask(port)).toBe('hello from web-2')

    await succeed(baton, 'undrain', 'web-1')
    await expect.poll(() => ask(port), { timeout: 5_000 }).toBe('hello from web-1')
    await succeed(baton, 'down', file)
    expect(baton.processes()).toEqual([])
  })

  test('more memory restarts the guests one after the other, and no request fails', async () => {
    await using baton = openBaton()
    const { file, port } = await writeSpec(baton, (text) => text.replace('count: 3', 'count: 2'))
    await succeed(baton, 'up', file)
    writeFileSync(file, readFileSync(file, 'utf8').replace('128M', '144M'))
    const failures: unknown[] = []
    let requests = 0
    const done = new AbortController()
    const load = (async () => {
      while (!done.signal.aborted) {
        requests += 1
        await ask(port).catch((error: unknown) => failures.push(error))
      }
    })()
    const up = await baton.run('up', file)
    done.abort()
    await load
    expect(up, up.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('memory changes from 128M to 144M') as string,
    })
    expect(requests).toBeGreaterThan(50)
    expect(failures).toEqual([])
    await succeed(baton, 'down', file)
  })
})

describe('up, killed at any step', () => {
  test('is finished by the next, with nothing doubled and nothing left over', async () => {
    await using baton = openBaton()
    const { file, port } = await writeSpec(baton, (text) => text.replace('count: 3', 'count: 1'))
    // The events of an undisturbed run say how many moments there are to be killed at.
    const events = (await baton.run('up', file, '--json')).stdout.trim().split('\n').length
    await succeed(baton, 'down', file)
    expect(events).toBeGreaterThan(8)
    for (let killAt = 1; killAt < events; killAt += 1) {
      let seen = 0
      await baton.start(['up', file, '--json'], (_line, child) => {
        seen += 1
        if (seen === killAt) child.kill('SIGKILL')
      })
      const next = await baton.run('up', file)
      expect(next, `killed at event ${killAt}: ${next.stderr}`).toMatchObject({ code: 0 })
      const { guests } = await baton.json<Status>('status')
      expect(guests.map(({ name, state }) => `${name} ${state}`)).toEqual(['web-1 running'])
      expect(await ask(port)).toBe('hello from web-1')
      // The guest, the director and its supervisor: nothing is there twice.
      expect(baton.processes()).toHaveLength(3)
      await succeed(baton, 'down', file)
      expect(baton.processes(), `killed at event ${killAt}`).toEqual([])
      expect(baton.leftovers(), `killed at event ${killAt}`).toEqual(['hello.yaml'])
    }
  }, 600_000)
})
