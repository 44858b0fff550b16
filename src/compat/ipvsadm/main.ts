/** Where `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` begin: the words as they were typed, nobody else's options. */
import { readFileSync } from 'node:fs'
import { basename, isAbsolute, resolve } from 'node:path'
import { directorClient } from '../../api/client.ts'
import { localHost } from '../../hosts/local/local.ts'
import type { Front } from './front.ts'
import { machineNames, nameBook } from './names.ts'
import { runIpvsadm } from './run.ts'
import { runRestore, runSave } from './wrappers.ts'

export type IpvsadmName = 'ipvsadm' | 'ipvsadm-save' | 'ipvsadm-restore'

/** Runs to its end; the exit code stands in `process.exitCode` then. */
export async function runFront(name: IpvsadmName, words: readonly string[]): Promise<void> {
  process.stdout.on('error', endWithReader)
  process.exitCode = await runNamed(name, words, {
    director: directorClient(localHost()),
    names: nameBook(machineNames()),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    input: stdin(),
    program: name === 'ipvsadm' ? typedName : () => 'ipvsadm',
    signal: new AbortController().signal,
  })
}

function runNamed(name: IpvsadmName, words: readonly string[], front: Front): Promise<number> {
  switch (name) {
    case 'ipvsadm':
      return runIpvsadm(words, front)
    case 'ipvsadm-save':
      return runSave(words, front)
    case 'ipvsadm-restore':
      return runRestore(front)
  }
}

/** Opened when something is read from it. */
async function* stdin(): AsyncGenerator<Uint8Array> {
  yield* process.stdin as AsyncIterable<Uint8Array>
}

/**
 * `ipvsadm`, or the relative path that it was called by. A script does not learn whether an absolute path was typed or
 * found by the shell, which is likelier.
 */
function typedName(): string {
  const script = process.argv[1]
  if (script === undefined || basename(script) !== 'ipvsadm') return 'ipvsadm'
  const typed = commandLine().find((word) => !isAbsolute(word) && word.includes('/') && resolve(word) === script)
  return typed ?? 'ipvsadm'
}

function commandLine(): string[] {
  try {
    return readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(1, 3)
  } catch {
    // A machine without /proc: the short name serves as well.
    return []
  }
}

/** `ipvsadm -L | head`: who has read enough closes the pipe. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit()
}
