/** Changing a file whose guests are real: what is interrupted is interrupted one by one, and a killed `up` is finished. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Baton, freePort, openBaton } from '../hello/baton.ts'
import { type TinyFiles, tinyFiles } from '../images/tiny.ts'

/** Where a test writes its file, the port of its service, and what `other` is made of. */
type Site = { readonly baton: Baton; readonly port: number; readonly tiny: TinyFiles }

type Shape = {
  readonly web: { readonly count: number; readonly memory: string; readonly image: 'tiny' | 'other' }
  readonly db: { readonly image: 'tiny' | 'other' } | undefined
  readonly scheduler: 'rr' | 'wrr'
}

const small: Shape = { web: { count: 2, memory: '128M', image: 'tiny' }, db: { image: 'tiny' }, scheduler: 'rr' }

/** `other` is tiny under another kernel command line: another image with nothing to build. */
function writeShape({ baton, port, tiny }: Site, { web, db, scheduler }: Shape): string {
  const file = join(baton.directory, 'baton.yaml')
  const other = `{ kernel: ${tiny.kernel}, initrd: ${tiny.initrd}, cmdline: "console=ttyS0 quiet" }`
  writeFileSync(
    file,
    [
      'name: change',
      `images: { other: ${other} }`,
      'guests:',
      `  web: { count: ${web.count}, image: ${web.image}, memory: ${web.memory} }`,
      ...(db === undefined ? [] : [`  db: { image: ${db.image}, memory: 96M }`]),
      'services:',
      `  www: { address: "127.0.0.1:${port}", scheduler: ${scheduler}, servers: [{ guests: web, port: 80 }], check: { http: /healthz, every: 300ms, timeout: 1s, rise: 1, fall: 2 } }`,
      '',
    ].join('\n'),
  )
  return file
}

async function ask(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(10_000),
  })
  return (await answer.text()).trim()
}

async function succeed(baton: Baton, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

async function guestsOf(baton: Baton): Promise<string[]> {
  type Status = { readonly guests: readonly { readonly name: string; readonly state: string }[] }
  return (await baton.json<Status>('status')).guests.map(({ name, state }) => `${name} ${state}`)
}

describe('a changed file', () => {
  test('another image replaces guest after guest, and no request fails', async () => {
    await using baton = openBaton()
    const port = await freePort()
    const site = { baton, port, tiny: await tinyFiles(baton) }
    await succeed(baton, 'up', writeShape(site, { ...small, db: undefined }))
    const file = writeShape(site, { ...small, db: undefined, web: { ...small.web, image: 'other' } })
    expect(await baton.run('up', file)).toMatchObject({ code: 3 })

    const failures: unknown[] = []
    const answers = new Map<string, number>()
    const done = new AbortController()
    const load = (async () => {
      while (!done.signal.aborted)
        await ask(port).then(
          (answer) => answers.set(answer, (answers.get(answer) ?? 0) + 1),
          (error: unknown) => failures.push(error),
        )
    })()
    const said = await succeed(baton, 'up', '--yes', file)
    done.abort()
    await load
    expect(said).toContain('guest.replace local/web-2: replace because image other changed')
    expect(failures).toEqual([])
    expect([...answers.keys()].toSorted()).toEqual(['hello from web-1', 'hello from web-2'])
    await succeed(baton, 'down', file)
    expect(baton.processes()).toEqual([])
    expect(baton.leftovers()).toEqual(['baton.yaml'])
  })

  test('an up that is killed at any event of a change is finished by the next, with nothing doubled', async () => {
    await using baton = openBaton()
    const port = await freePort()
    const site = { baton, port, tiny: await tinyFiles(baton) }
    const large: Shape = { web: { count: 1, memory: '144M', image: 'tiny' }, db: { image: 'other' }, scheduler: 'wrr' }
    await succeed(baton, 'up', writeShape(site, small))
    let killed = true
    let killAt = 0
    for (let next = large; killed; next = next === large ? small : large) {
      killAt += 1
      const file = writeShape(site, next)
      let seen = 0
      killed = false
      await baton.start(['up', '--yes', file, '--json'], (_line, child) => {
        seen += 1
        if (seen === killAt) killed = child.kill('SIGKILL')
      })
      const finished = await baton.run('up', '--yes', file)
      expect(finished.code, `killed at event ${killAt}: ${finished.stdout}${finished.stderr}`).toBe(0)
      expect(await guestsOf(baton), `killed at event ${killAt}`).toEqual(
        ['db', ...Array.from({ length: next.web.count }, (_, index) => `web-${index + 1}`)].map(
          (name) => `${name} running`,
        ),
      )
      // The guests, the director and its supervisor.
      expect(baton.processes(), `killed at event ${killAt}`).toHaveLength(next.web.count + 3)
      expect(await ask(port)).toMatch(/^hello from web-[12]$/)
      expect((await baton.run('plan', file)).code, `killed at event ${killAt}`).toBe(0)
    }
    console.log(`killed at each of ${killAt - 1} events of a change`)
    expect(killAt).toBeGreaterThan(8)
    await succeed(baton, 'down', join(baton.directory, 'baton.yaml'))
    expect(baton.processes()).toEqual([])
    expect(baton.leftovers()).toEqual(['baton.yaml'])
  }, 1_800_000)
})
