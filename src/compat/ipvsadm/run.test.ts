import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openDirectorWorld } from '../../../test/build/director.ts'
import { ipvsadmWord } from '../../../test/build/ipvsadm-words.ts'
import type { TableView } from '../../director/control.ts'
import { InfraError } from '../../errors.ts'
import type { TableEdit } from '../../lvs/edit.ts'
import { defaultSettings } from '../../lvs/settings.ts'
import type { Front } from './front.ts'
import { nameBook } from './names.ts'
import { runIpvsadm } from './run.ts'
import { runRestore, runSave } from './wrappers.ts'

type Said = { readonly out: string; readonly err: string; readonly code: number }

const names = nameBook({
  hosts: () => '',
  services: () => '',
  lookUp: async () => undefined,
  reverse: async () => undefined,
  now: () => 0,
})
const empty: TableView = { services: [], info: { settings: defaultSettings, daemons: [], tableSize: 4096 } }
const willing: Front['director'] = {
  edit: async (edits) => edits.map(() => ({ ok: true })),
  table: async () => empty,
  async *connections() {},
}

type Chunks = readonly string[] | AsyncIterable<Uint8Array>

async function say(
  director: Partial<Front['director']>,
  run: (front: Front) => Promise<number>,
  input: Chunks = [],
): Promise<Said> {
  let [out, err] = ['', '']
  const code = await run({
    director: { ...willing, ...director },
    names,
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    input: Symbol.asyncIterator in input ? input : encoded(input),
    program: () => './ipvsadm',
    signal: AbortSignal.timeout(20_000),
  })
  return { out, err, code }
}

async function* encoded(chunks: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield new TextEncoder().encode(chunk)
}

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '')
const ipvsadm = (line: string, director: Partial<Front['director']> = {}, input: Chunks = []): Promise<Said> =>
  say(director, (front) => runIpvsadm(words(line), front), input)

describe('without a director', () => {
  const none = new InfraError('not-found', 'no director runs', { subject: 'local', hint: 'start one' })
  const gone = {
    edit: () => Promise.reject(none),
    table: () => Promise.reject(none),
    async *connections() {
      yield await Promise.reject(none)
    },
  }

  test.each(['', '-L', '-Lc', '-A -t 10.0.0.1:80', '-h', '-v', '--bogus', '-A', '-R', '-S'])(
    'ipvsadm %s says what it says without IPVS, and how to start one',
    async (line) => {
      const { out, err, code } = await ipvsadm(line, gone)
      expect([out, code]).toEqual(['', 2])
      expect(err.split('\n').slice(0, 2)).toEqual([
        "Can't initialize ipvs: Protocol not available",
        'Are you sure that IP Virtual Server is built in the kernel or as module?',
      ])
      expect(err).toContain('hint: ')
      expect(err).toContain('baton director')
    },
  )

  test('one that belongs to another user is one for root', async () => {
    const foreign = new InfraError('permission', 'not yours', { subject: 'local' })
    const { err, code } = await ipvsadm('-L', { table: () => Promise.reject(foreign) })
    expect([err.split('\n')[0], code]).toEqual(["Can't initialize ipvs: Permission denied (you must be root)", 2])
  })

  test('one that does not answer is said in Baton’s words', async () => {
    const slow = new InfraError('timeout', 'no answer in time', { subject: 'director', hint: 'its log says why' })
    expect(await ipvsadm('-A -f 3', { edit: () => Promise.reject(slow) })).toEqual({
      out: '',
      err: 'ipvsadm: no answer in time\nhint: its log says why\n',
      code: 255,
    })
  })
})

describe('a refused edit', () => {
  test.each([
    { line: '-A -f 3', errno: 'EEXIST', says: 'Service already exists' },
    { line: '-A -f 3', errno: 'ENOENT', says: 'Scheduler or persistence engine not found' },
    { line: '-E -f 3', errno: 'ESRCH', says: 'No such service' },
    { line: '-D -f 3', errno: 'ESRCH', says: 'No such service' },
    { line: '-Z -f 3', errno: 'ESRCH', says: 'No such service' },
    { line: '-a -f 3 -r 10.9.0.2', errno: 'ESRCH', says: 'Service not defined' },
    { line: '-a -f 3 -r 10.9.0.2', errno: 'EEXIST', says: 'Destination already exists' },
    { line: '-e -f 3 -r 10.9.0.2', errno: 'ENOENT', says: 'No such destination' },
    { line: '-d -f 3 -r 10.9.0.2', errno: 'ENOENT', says: 'No such destination' },
    { line: '-a -f 3 -r 10.9.0.2', errno: 'ERANGE', says: 'Numerical result out of range' },
    {
      line: '-a -f 3 -r 224.0.0.1',
      errno: 'EINVAL',
      says: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
    },
    { line: '--start-daemon master', errno: 'EEXIST', says: 'Daemon has already run' },
    { line: '--start-daemon master', errno: 'ENODEV', says: 'No such device' },
    { line: '--stop-daemon master', errno: 'ESRCH', says: 'No daemon is running' },
    { line: '-C', errno: 'EPERM', says: 'Permission denied (you must be root)' },
    { line: '-C', errno: 'ENOMEM', says: 'Memory allocation problem' },
  ] as const)('$line: $errno is $says', async ({ line, errno, says }) => {
    const said = await ipvsadm(line, { edit: async () => [{ ok: false, errno }] })
    expect(said).toEqual({ out: '', err: `${says}\n`, code: 255 })
  })

  test('is said in the director’s own words where it has any', async () => {
    const edit: Front['director']['edit'] = async () => [
      { ok: false, errno: 'EPERM', message: 'fwmark 3 belongs to shop/www', hint: 'change its file' },
    ]
    expect(await ipvsadm('-D -f 3', { edit })).toEqual({
      out: '',
      err: 'fwmark 3 belongs to shop/www\nhint: change its file\n',
      code: 255,
    })
  })
})

test('the name that it was called by is in what it says', async () => {
  expect((await ipvsadm('-n')).err).toBe("Try `./ipvsadm -h' or './ipvsadm --help' for more information.\n")
  expect((await ipvsadm('-h')).out).toContain('\n  ./ipvsadm -A|E virtual-service ')
})

describe('a restore', () => {
  /** Notes the edits of each call. */
  function noting(): Partial<Front['director']> & { readonly calls: TableEdit[][] } {
    const calls: TableEdit[][] = []
    return {
      calls,
      edit: async (edits) => {
        calls.push([...edits])
        return edits.map((edit) => (edit.kind === 'service.delete' ? { ok: false, errno: 'ESRCH' } : { ok: true }))
      },
    }
  }
  const rule = (port: number): string => `-A -t 10.0.0.1:${port}\n`

  test('of many lines is few calls', async () => {
    const director = noting()
    const text = Array.from({ length: 20_000 }, (_, index) => rule(1 + index)).join('')
    // As a file comes: in pieces that end anywhere.
    const pieces = text.match(/[^]{1,65000}/g) ?? []
    expect(await ipvsadm('-R', director, pieces)).toEqual({ out: '', err: '', code: 0 })
    expect(director.calls.flat()).toHaveLength(20_000)
    expect(director.calls.length).toBeLessThanOrEqual(10)
  })

  test('carries out what has come while more may come', async () => {
    const director = noting()
    let proceed = (): void => {}
    const gate = new Promise<void>((resolve) => {
      proceed = resolve
    })
    const slowly = (async function* () {
      yield* encoded([`${rule(1)}-A -t 10.0.`])
      await gate
      yield* encoded([`0.1:2`])
    })()
    const restored = ipvsadm('-R', director, slowly)
    while (director.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    proceed()
    expect((await restored).code).toBe(0)
    expect(director.calls.map((edits) => edits.length)).toEqual([1, 1])
  })

  test.each([
    {
      name: 'a refused edit does not end it',
      text: `-D -f 3\n${rule(1)}`,
      err: 'No such service\n',
      code: 0,
      edits: 2,
    },
    {
      name: 'the last line decides the exit code',
      text: `${rule(1)}-D -f 3\n`,
      err: 'No such service\n',
      code: 255,
      edits: 2,
    },
    {
      name: 'nor does an unknown option',
      text: `-A --bogus\n${rule(1)}`,
      err: '--bogus: unknown option\n',
      code: 0,
      edits: 1,
    },
    {
      name: 'a failed check does',
      text: `-D -f 3\n-A -f 0\n${rule(1)}`,
      err: "No such service\ninvalid fwmark value `0' specified\n",
      code: 2,
      edits: 1,
    },
    {
      name: 'a comment does',
      text: `# x\n${rule(1)}`,
      err: "Try `./ipvsadm -h' or './ipvsadm --help' for more information.\n",
      code: 255,
      edits: 0,
    },
    {
      name: 'a restore in it does',
      text: `-R\n${rule(1)}`,
      err: "Try `./ipvsadm -h' or './ipvsadm --help' for more information.\n",
      code: 255,
      edits: 0,
    },
    {
      name: 'a listing of what is not there does',
      text: `-L -f 3\n${rule(1)}`,
      err: 'No such service\n',
      code: 1,
      edits: 0,
    },
    {
      name: 'empty lines and its own name do not count',
      text: '\n  \nipvsadm\nipvsadm -D ipvsadm -f 3',
      err: 'No such service\n',
      code: 255,
      edits: 1,
    },
    { name: 'nothing at all is well', text: '', err: '', code: 0, edits: 0 },
  ])('$name', async ({ text, err, code, edits }) => {
    const director = noting()
    expect(await ipvsadm('-R', director, [text])).toEqual({ out: '', err, code })
    expect(director.calls.flat()).toHaveLength(edits)
  })

  test('may print on its way, after what stands before', async () => {
    const director = noting()
    const { out, code } = await ipvsadm('-R', director, [`${rule(1)}-L --timeout\n-v\n${rule(2)}`])
    expect(out).toBe(
      'Timeout (tcp tcpfin udp): 900 120 300\nipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n',
    )
    expect([code, director.calls.length]).toEqual([0, 1])
  })

  test('by ipvsadm-restore clears the table and knows comments', async () => {
    const director = noting()
    const said = await say(director, runRestore, [`# rules\n${rule(1)}#${rule(2)}`])
    expect(said).toEqual({ out: '', err: '', code: 0 })
    expect(director.calls.flat().map(({ kind }) => kind)).toEqual(['flush', 'service.add'])
  })
})

test.each([
  { line: '', code: 0 },
  { line: '-n foo', code: 0 },
  { line: '-n -x', code: 1 },
  { line: '--help', code: 1 },
])('ipvsadm-save $line ends with $code', async ({ line, code }) => {
  const said = await say({}, (front) => runSave(words(line), front))
  expect(said.code).toBe(code)
  expect(said.err.includes('Script to save the IPVS table to stdout.\n')).toBe(code === 1)
})

test('any words have an answer such as ipvsadm gives, and a line of it', async () => {
  await using world = await openDirectorWorld()
  const command = fc.constantFrom('-A', '-E', '-D', '-a', '-e', '-d', '-L', '-Z', '-S', '-C', '-R', '--set')
  const line = fc.tuple(command, fc.array(ipvsadmWord, { maxLength: 7 }))
  await fc.assert(
    fc.asyncProperty(line, async ([first, others]) => {
      const { out, err, code } = await say(world.director, (front) => runIpvsadm([first, ...others], front))
      expect([0, 1, 2, 255]).toContain(code)
      if (code !== 0) expect([out, err.endsWith('\n')]).toEqual(['', true])
    }),
    { numRuns: 1500 },
  )
})
