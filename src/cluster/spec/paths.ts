/** Paths in the file are relative to the file that names them. POSIX text only: nothing is looked up. */

/** Resolves `path` against a directory, without `.`, `..` and doubled slashes. */
export function joinPath(directory: string, path: string): string {
  const whole = path.startsWith('/') ? path : `${directory === '' ? '.' : directory}/${path}`
  const absolute = whole.startsWith('/')
  const parts: string[] = []
  for (const part of whole.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (part !== '..' || !absolute) parts.push(part)
  }
  const joined = parts.join('/')
  return absolute ? `/${joined}` : joined === '' ? '.' : joined
}

/** The directory part: `/a/b.yaml` lies in `/a`, `b.yaml` in the directory where one stands. */
export function directoryOf(file: string): string {
  const slash = file.lastIndexOf('/')
  return slash < 0 ? '.' : slash === 0 ? '/' : file.slice(0, slash)
}

/** `~` and `~/x` from HOME; undefined when HOME is needed and unknown. Other users' homes are not looked up. */
export function expandHome(path: string, home: string | undefined): string | undefined {
  if (path !== '~' && !path.startsWith('~/')) return path
  return home === undefined || home === '' ? undefined : `${home}${path.slice(1)}`
}
