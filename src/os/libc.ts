/** The C library, loaded once, on first use: only this folder speaks FFI. */
import { createRequire } from 'node:module'
import type koffiModule from 'koffi'

// Not imported: a machine on which the FFI library cannot load still runs everything that does not need it.
let ffi: typeof koffiModule | undefined
let loaded: ReturnType<typeof koffiModule.load> | undefined

export function koffi(): typeof koffiModule {
  ffi ??= createRequire(import.meta.url)('koffi') as typeof koffiModule
  return ffi
}

export function libc(): ReturnType<typeof koffiModule.load> {
  loaded ??= koffi().load('libc.so.6')
  return loaded
}

/** The errno of the last call on this thread, by its name (`EAGAIN`), or its number as text. */
export function errnoName(number: number = koffi().errno()): string {
  const entry = Object.entries(koffi().os.errno).find(([, value]) => value === number)
  return entry?.[0] ?? String(number)
}
