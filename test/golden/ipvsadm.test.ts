/** The transcripts of the real ipvsadm, replayed on Baton's in this process: a director on the IPVS in memory. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Front } from '../../src/compat/ipvsadm/front.ts'
import { nameBook } from '../../src/compat/ipvsadm/names.ts'
import { runIpvsadm } from '../../src/compat/ipvsadm/run.ts'
import { runRestore, runSave } from '../../src/compat/ipvsadm/wrappers.ts'
import { openDirectorWorld } from '../build/director.ts'
import { exceptions, expectedAnswer } from './exceptions.ts'
import { type Run, runInShell } from './shell.ts'
import { type Answer, answerOf, hostsFile, readTranscript, servicesFile, transcriptNames } from './transcript.ts'

type World = Pick<Front, 'director' | 'names'>

describe('the transcripts of ipvsadm 1.31', () => {
  test.each(transcriptNames.map((name) => ({ name })))('$name is answered the same', async ({ name }) => {
    await using world = await openDirectorWorld(undefined, { surroundings: async () => surroundings })
    const programs = programsOf({ director: world.director, names: names() })
    for (const exchange of readTranscript(name)) {
      const { out, err, code } = await runInShell(exchange.command, programs)
      const answer = comparable(answerOf(out, err, code), exchange.command, name)
      const expected = comparable(expectedAnswer(name, exchange), exchange.command, name)
      expect({ command: exchange.command, ...answer }).toEqual({ command: exchange.command, ...expected })
    }
  })

  test.each(exceptions)('$why: the exception is needed', ({ transcripts, commands, instead }) => {
    for (const transcript of transcripts) {
      const changed = readTranscript(transcript).filter(
        ({ command, answer }) =>
          commands.includes(command) && JSON.stringify(instead(answer)) !== JSON.stringify(answer),
      )
      expect(changed, transcript).not.toEqual([])
    }
  })
})

/** The network of the machine that the transcripts come from. */
const surroundings = {
  addresses: [
    { address: '127.0.0.1', prefix: 8 },
    { address: '10.0.0.1', prefix: 24 },
    { address: '10.9.0.1', prefix: 24 },
    { address: '::1', prefix: 128 },
    { address: 'fd00::1', prefix: 64 },
    { address: 'fd09::1', prefix: 64 },
  ],
  interfaces: new Map([
    ['lo', 65_536],
    ['d0', 1500],
  ]),
}

/** The order of the kernel's hash table differs from boot to boot, and only `syntax` comes from the one that Baton is like. */
function comparable(answer: Answer, command: string, name: string): Answer {
  return command.includes('--nosort') && name !== 'syntax' ? { ...answer, out: answer.out.toSorted() } : answer
}

function names(): Front['names'] {
  return nameBook({
    hosts: () => readFileSync(hostsFile, 'utf8'),
    services: () => readFileSync(servicesFile, 'utf8'),
    lookUp: async () => undefined,
    reverse: async () => undefined,
    now: () => 0,
  })
}

function programsOf(world: World): Readonly<Record<string, Run>> {
  const program =
    (run: (words: readonly string[], front: Front) => Promise<number>): Run =>
    async (words, input) => {
      let [out, err] = ['', '']
      const code = await run(words, {
        ...world,
        out: (text) => {
          out += text
        },
        err: (text) => {
          err += text
        },
        input: (async function* () {
          yield new TextEncoder().encode(input)
        })(),
        program: () => 'ipvsadm',
        signal: AbortSignal.timeout(20_000),
      })
      return { out, err, code }
    }
  return {
    ipvsadm: program(runIpvsadm),
    'ipvsadm-save': program(runSave),
    'ipvsadm-restore': program((_, front) => runRestore(front)),
  }
}
