/** What the operator wants of a director, on disk: it outlives every crash, restart and upgrade of the daemon. */
import type { Host } from '../hosts/host.ts'
import { migrated } from './intent-migration.ts'
import { type Intent, intentSchema } from './schemas.ts'

export const emptyIntent: Intent = { version: 1, clusters: [], drains: [], leaving: [] }

export interface IntentStore {
  /** A file that cannot be read as an intent is set aside, and `trouble` says where. */
  load(options: { readonly signal: AbortSignal }): Promise<{ readonly intent: Intent; readonly trouble?: string }>
  save(intent: Intent, options: { readonly signal: AbortSignal }): Promise<void>
}

export function fileIntentStore(host: Host): IntentStore {
  const path = `${host.directories.state}/director/intent.json`
  return {
    async load(options) {
      const content = await host.readFile(path, options)
      if (content === undefined) return { intent: emptyIntent }
      const parsed = intentSchema.safeParse(migrated(parseJson(new TextDecoder().decode(content))))
      if (parsed.success) return { intent: parsed.data }
      const aside = `${path}.broken`
      await host.rename(path, aside, options)
      const issue = parsed.error.issues[0]
      return {
        intent: emptyIntent,
        trouble: `${path} is not a director's intent (${issue?.path.join('.')}: ${issue?.message}); it was set aside as ${aside}`,
      }
    },
    save: (intent, options) => host.writeFile(path, JSON.stringify(intent), { ...options, mode: 0o600 }),
  }
}

export function memoryIntentStore(intent: Intent = emptyIntent): IntentStore & { readonly saved: () => Intent } {
  let kept = intent
  return {
    load: async () => ({ intent: kept }),
    save: async (next) => void (kept = next),
    saved: () => kept,
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
