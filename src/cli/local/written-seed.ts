/** A seed whose files a command names. */
import { cloudInitSpec } from '../../cluster/spec/cloud-init-spec.ts'
import { InfraError } from '../../errors.ts'
import type { GuestSeed } from '../../guests/hypervisor.ts'
import { guestSeed } from '../../guests/seed.ts'
import { readText } from './spec-file.ts'

export type SeedWords = { readonly userData?: string; readonly networkConfig?: string }

/** @throws InfraError `not-found`, `permission`, or `invalid` for what cloud-init would pass over. */
export function writtenSeed({ userData, networkConfig }: SeedWords): GuestSeed | undefined {
  if (userData === undefined && networkConfig === undefined) return undefined
  const read = (file: string): string => readText(file, false)
  const content = cloudInitSpec(
    { 'user-data': userData, 'network-config': networkConfig },
    read,
    (key, message, hint) => {
      throw new InfraError('invalid', `--${key}: ${message}`, { subject: key, ...(hint === undefined ? {} : { hint }) })
    },
  )
  return guestSeed(content)
}
