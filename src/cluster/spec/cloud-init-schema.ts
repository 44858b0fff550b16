/** `cloud-init:` of a pool or an image in the file: in cloud-init's own words, as a map, as text, or as the path of a file. */
import * as z from 'zod'
import { leaf, text } from './leaf.ts'
import { map } from './map.ts'

/** A map, or text: with a line end or a `#` in front it is the content, else it is the path of a file. */
export type SeedText = string | Readonly<Record<string, unknown>>

function content(what: string) {
  return leaf<SeedText>(`${what}: a map, text, or the path of a file`, { type: ['object', 'string'] }, (value) => {
    if (typeof value === 'string') return value === '' ? undefined : value
    return isMap(value) ? value : undefined
  })
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const cloudInit = map({
  user: text('the name of a user', /^[a-z_][a-z0-9_-]{0,31}$/)
    .optional()
    .describe('One who may log in with ssh-keys, and do all by sudo; beside the usual one of the image.'),
  'ssh-keys': z
    .array(text('a public key, or the path of a file with some', /^[^\0]+$/))
    .optional()
    .describe("Who may log in by SSH, as user or as the image's usual one: public keys, or paths of files with them."),
  'user-data': content('user data')
    .optional()
    .describe(
      'What cloud-init does at the first boot: a map (its #cloud-config), text that begins with #, or the path of a file.',
    ),
  'meta-data': content('meta data')
    .optional()
    .describe('A map or the path of a file, beside instance-id and local-hostname, which each guest is given.'),
  'network-config': content('a network configuration')
    .optional()
    .describe('A map or the path of a file; left out, the fixed address of each guest, or DHCP.'),
})

export type CloudInitShape = z.output<typeof cloudInit>
