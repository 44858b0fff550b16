/** The FILE of a command: found, read, parsed; everything that is wrong with it is said at once. */
import { readFileSync, statSync } from 'node:fs'
import { engineFor } from '../../cluster/engine-for.ts'
import { type Diagnostic, formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import { type ParsedSpec, parseSpec } from '../../cluster/spec/parse.ts'
import { InfraError } from '../../errors.ts'
import type { Output } from '../output.ts'

export const defaultFile = 'baton.yaml'
/** Nobody writes a spec as long as this: it is another file. */
const maxBytes = 16 * 1024 * 1024

/** What `engineFor` goes by beside the spec. */
export type ChosenBy = Parameters<typeof engineFor>[1] & object

export type SpecFile = ParsedSpec & { readonly file: string }

/**
 * `chosen`: the engine, where it is another than the file says. @throws InfraError `not-found` or `permission` when there
 * is no such file to read.
 */
export function readSpec(named: string | undefined, chosen: ChosenBy = {}): SpecFile {
  const file = named ?? defaultFile
  const text = readText(file, named === undefined)
  const readInclude = (path: string): string | undefined => {
    try {
      return readText(path, false)
    } catch {
      return undefined // what the include names cannot be read: a diagnostic says so
    }
  }
  const directory = process.cwd()
  return {
    file,
    ...parseSpec({
      file,
      text,
      directory,
      environment: process.env,
      readInclude,
      engine: (spec) => engineFor(spec, chosen),
    }),
  }
}

export type LoadedSpec = SpecFile & { readonly spec: ClusterSpec }

/** The spec, or undefined when it has errors. Errors and warnings are said either way. */
export function loadSpec(named: string | undefined, output: Output): LoadedSpec | undefined {
  const read = readSpec(named)
  output.note(read.diagnostics.map(formatDiagnostic))
  return read.spec === undefined ? undefined : { ...read, spec: read.spec }
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === 'error')
}

/** @throws InfraError `not-found` or `permission` when there is no such file to read. */
export function readText(file: string, isDefault: boolean): string {
  try {
    if (statSync(file).size > maxBytes)
      throw new InfraError('invalid', `${file} is longer than any spec: ${maxBytes} bytes`, { subject: file })
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof InfraError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      throw new InfraError('not-found', isDefault ? `there is no ${file} here` : `there is no file ${file}`, {
        subject: file,
        hint: isDefault ? 'name the file, as in `baton up examples/hello.yaml`' : 'a relative name counts from here',
      })
    if (code === 'EISDIR') throw new InfraError('invalid', `${file} is a directory, not a file`, { subject: file })
    throw new InfraError(code === 'EACCES' ? 'permission' : 'failed', `cannot read ${file}: ${code}`, {
      subject: file,
      cause: error,
    })
  }
}
