/** A pool of real guests is renewed under load, killed in the middle, and never leaves a request without an answer. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { storeOtherTiny } from '../images/tiny.ts'
import { underLoad } from './load.ts'

type Status = {
  readonly guests: readonly { readonly name: string; readonly image: string; readonly state: string }[]
  readonly services: readonly {
    readonly servers: readonly { readonly guest: string; readonly weight: number; readonly reason: string }[]
  }[]
}

async function writeFile(baton: Baton, port: number): Promise<string> {
  const file = join(baton.directory, 'baton.yaml')
  await storeOtherTiny(baton, 'rolled')
  const check = '{ http: /healthz, every: 300ms, timeout: 2s, rise: 1, fall: 3 }'
  writeFileSync(
    file,
    `name: rolling
images: { other: { stored: rolled } }
guests: { web: { count: 4, image: tiny, memory: 96M, drain: 10s } }
services:
  www: { address: "127.0.0.1:${port}", scheduler: wlc, servers: [{ guests: web, port: 80 }], check: ${check} }
`,
  )
  return file
}

async function succeed(baton: Baton, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return `${stdout}${stderr}`
}

const imagesOf = ({ guests }: Status): Set<string> => new Set(guests.map(({ image }) => image))

describe('a pool of real guests', () => {
  test('is drained, renewed, killed in the middle and goes on, with no failed request', async () => {
    await using baton = openBaton()
    const port = await freePort()
    const file = await writeFile(baton, port)
    await succeed(baton, 'up', file)
    const before = await baton.json<Status>('status')
    expect(imagesOf(before).size).toBe(1)

    const { requests, errors } = await underLoad(port, async () => {
      const first = await baton.start(['roll', 'web', '--image', 'other', '--file', file, '--json'], (line, child) => {
        // In the middle of the second guest.
        if (line.includes('"started"') && line.includes('"web-2"')) child.kill('SIGKILL')
      })
      expect(first.code).toBeNull()
      const refused = await baton.run('up', file)
      expect(refused).toMatchObject({ code: 1 })
      expect(refused.stderr).toContain('a roll of web has not come to its end: 1 of 4 guests are renewed')
      expect(await succeed(baton, 'roll', '--resume', '--file', file)).toContain('4 of 4 guests of web renewed')

      const said = await succeed(baton, 'shutdown', 'web-3')
      expect(said).toContain('stopped')
    })
    expect(errors).toEqual([])
    expect(requests).toBeGreaterThan(100)
    const after = await baton.json<Status>('status')
    expect(imagesOf(after).size).toBe(1)
    expect([...imagesOf(after)]).not.toEqual([...imagesOf(before)])
    expect(after.guests.map(({ name, state }) => `${name} ${state}`)).toEqual([
      'web-1 running',
      'web-2 running',
      'web-3 stopped',
      'web-4 running',
    ])
    console.log(`${requests} requests, 0 failed`)
    await succeed(baton, 'down', file)
    expect(baton.processes()).toEqual([])
    expect(baton.leftovers()).toEqual(['baton.yaml'])
  }, 600_000)
})
