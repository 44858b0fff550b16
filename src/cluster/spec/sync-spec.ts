/** Connection synchronisation: from the file's shape to the model, and back. */
import type { Synchronisation } from '../../lvs/edit.ts'
import { defaultTellingRules, type TellingRules } from '../../lvs/telling.ts'
import { formatDuration } from './duration.ts'
import { given } from './given.ts'
import { defaultSync, type SyncShape } from './sync-schema.ts'
import { unless, type Written } from './written.ts'

export function syncSpec(
  shape: SyncShape | undefined,
  resolve: (written: string) => string,
): Synchronisation | undefined {
  if (shape === undefined) return undefined
  const { interface: name, id, group, port, ttl, maxlen, threshold, period, refresh, retries } = shape
  const keyFile = shape['key-file']
  const rules: TellingRules = {
    threshold,
    period,
    refreshSeconds: refresh / 1000,
    retries,
    persistentOnly: shape['templates-only'],
  }
  const isUsual = JSON.stringify(rules) === JSON.stringify(defaultTellingRules)
  return {
    interface: name,
    syncId: id,
    group,
    port,
    ttl,
    ...given('maxLength', maxlen),
    ...given('keyFile', keyFile === undefined ? undefined : resolve(keyFile)),
    ...given('rules', isUsual ? undefined : rules),
  }
}

export function syncText(sync: Synchronisation | undefined): Written | undefined {
  if (sync === undefined) return undefined
  const { threshold, period, refreshSeconds, retries, persistentOnly } = sync.rules ?? defaultTellingRules
  return {
    interface: sync.interface,
    id: unless(defaultSync.id, sync.syncId),
    group: unless(defaultSync.group, sync.group),
    port: unless(defaultSync.port, sync.port),
    ttl: unless(defaultSync.ttl, sync.ttl),
    maxlen: sync.maxLength,
    'key-file': sync.keyFile,
    threshold: unless(defaultSync.threshold, threshold),
    period: unless(defaultSync.period, period),
    refresh: unless(formatDuration(defaultSync.refresh), formatDuration(refreshSeconds * 1000)),
    retries: unless(defaultSync.retries, retries),
    'templates-only': unless(defaultSync['templates-only'], persistentOnly),
  }
}
