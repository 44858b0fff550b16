/** The words that call Baton, whatever name this call had. */
import { realpathSync } from 'node:fs'

export function ownProgram(): readonly string[] {
  return [process.execPath, ...process.execArgv, realpathSync(process.argv[1] ?? 'baton')]
}
