/** The C library, loaded once, on first use: only this folder speaks FFI. */
import koffi from 'koffi'

let loaded: ReturnType<typeof koffi.load> | undefined

export function libc(): ReturnType<typeof koffi.load> {
  loaded ??= koffi.load('libc.so.6')
  return loaded
}

/** The errno of the last call on this thread, by its name (`EAGAIN`), or its number as text. */
export function errnoName(): string {
  const number = koffi.errno()
  const entry = Object.entries(koffi.os.errno).find(([, value]) => value === number)
  return entry?.[0] ?? String(number)
}
