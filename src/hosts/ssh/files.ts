/** Files of a host over SSH, by its own programs: the same for root and for a user with sudo. */
import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { type InfraCode, InfraError } from '../../errors.ts'
import type { Host } from '../host.ts'
import { type Remote, runOwn } from './processes.ts'

type Signalled = { readonly signal: AbortSignal }
type FileMethods = Pick<Host, 'readFile' | 'writeFile' | 'list' | 'makeDirectory' | 'rename' | 'remove'>

/** What the programs say in the C locale. */
const meanings: readonly (readonly [RegExp, InfraCode])[] = [
  [/No such file or directory|Not a directory/, 'not-found'],
  [/Permission denied|Operation not permitted|Read-only file system/, 'permission'],
  [/No space left on device|Disk quota exceeded/, 'no-space'],
  [/File exists/, 'already-exists'],
  [/Device or resource busy|Text file busy/, 'busy'],
  [/Is a directory|File name too long|Invalid argument/, 'invalid'],
]

export function fileError(stderr: string, what: string, { name, sudo }: Remote, path: string): InfraError {
  const text = stderr.trim()
  const code = meanings.find(([pattern]) => pattern.test(text))?.[1] ?? 'failed'
  const hint = { permission: sudo ? undefined : 'log in as root, or with sudo', 'no-space': 'free some space on it' }[
    code as string
  ]
  return new InfraError(code, `${what} on ${name}: ${text}`, {
    subject: path,
    retryable: code === 'busy',
    ...(hint === undefined ? {} : { hint }),
  })
}

/**
 * Arguments: path, temporary file, size, mode or ''. What came short because the connection was lost is never renamed
 * over the file. A mode that is not given is that of the file, with its owner, or 644.
 */
const writeScript = `
path=$1 temporary=$2
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p -- "\${path%/*}/" || exit 1
[ ! -d "$path" ] || { echo "$path: Is a directory" >&2; exit 1; }
(umask 077; cat >"$temporary") || exit 1
[ "$(stat -c %s -- "$temporary")" = "$3" ] || { echo 'not all of it came' >&2; exit 1; }
if [ -n "$4" ]; then chmod "$4" -- "$temporary" || exit 1
elif [ -e "$path" ]; then
  chmod --reference="$path" -- "$temporary" || exit 1
  chown --reference="$path" -- "$temporary" 2>/dev/null
else chmod 644 -- "$temporary" || exit 1
fi
sync -- "$temporary" || exit 1
mv -fT -- "$temporary" "$path" || exit 1
sync -- "\${path%/*}/"`

const listScript = String.raw`
[ -d "$1" ] || { echo "$1: No such file or directory" >&2; exit 1; }
cd "$1" || { echo "$1: Permission denied" >&2; exit 1; }
for name in * .*; do
  case $name in .|..) continue;; esac
  if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\0' "$name"; fi
done`

export function remoteFiles(remote: Remote): FileMethods {
  const must = async (
    script: string,
    args: readonly string[],
    what: string,
    path: string,
    options: Signalled & { readonly input?: string | Uint8Array },
  ): Promise<Buffer> => {
    const { code, stdout, stderr } = await runOwn(remote, script, args, what, options)
    if (code !== 0) throw fileError(stderr, what, remote, path)
    return stdout
  }
  const unlessAbsent = async <T>(answer: Promise<T>): Promise<T | undefined> =>
    answer.catch((error: unknown) => {
      if (error instanceof InfraError && error.code === 'not-found') return undefined
      throw error
    })
  return {
    readFile: (path, { signal }) => unlessAbsent(must('cat -- "$1"', [path], `read ${path}`, path, { signal })),
    async writeFile(path, content, { signal, mode }) {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content
      const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`)
      const args = [path, temporary, String(bytes.length), mode?.toString(8) ?? '']
      await must(writeScript, args, `write ${path}`, path, { signal, input: bytes })
    },
    async list(path, { signal }) {
      const names = await unlessAbsent(must(listScript, [path], `list ${path}`, path, { signal }))
      return names === undefined
        ? undefined
        : names
            .toString()
            .split('\0')
            .filter((name) => name !== '')
            .sort()
    },
    async makeDirectory(path, { signal, mode }) {
      const script = 'if [ -n "$2" ]; then mkdir -p -m "$2" -- "$1"; else mkdir -p -- "$1"; fi'
      await must(script, [path, mode?.toString(8) ?? ''], `make directory ${path}`, path, { signal })
    },
    async rename(from, to, { signal }) {
      const script = 'mv -fT -- "$1" "$2" && sync -- "${2%/*}/"'
      await must(script, [from, to], `rename ${from} to ${to}`, from, { signal })
    },
    async remove(path, { signal }) {
      await must('rm -rf -- "$1"', [path], `remove ${path}`, path, { signal })
    },
  }
}
