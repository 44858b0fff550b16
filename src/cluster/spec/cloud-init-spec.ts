/** What `cloud-init:` says, read from where it stands, and written back. Pure but for the reader that it is given. */
import { parse } from 'yaml'
import type { SeedContent } from '../../guests/hypervisor.ts'
import { type CloudInitShape, isMap, type SeedText } from './cloud-init-schema.ts'
import { given } from './given.ts'
import type { Written } from './written.ts'

/** The text of a file that stands at this key, or undefined once it has been reported. */
export type ReadText = (written: string, key: string) => string | undefined
export type Refuse = (key: string, message: string, hint?: string) => void

export function cloudInitSpec(shape: CloudInitShape, readFile: ReadText, refuse: Refuse): SeedContent {
  const text = (key: keyof CloudInitShape, written: SeedText | undefined): string | undefined =>
    typeof written === 'string' && !isContent(written) ? readFile(written, key) : contentText(written)
  const users = usersOf(shape, readFile, refuse)
  const wanted = users === undefined ? shape['user-data'] : withUsers(shape['user-data'] ?? {}, users, refuse)
  const userData = userDataOf(text('user-data', configOf(wanted)), refuse)
  const metaData = mapOf('meta-data', text('meta-data', shape['meta-data']), refuse)
  if (metaData !== undefined && 'instance-id' in metaData)
    refuse('meta-data', 'instance-id is given to each guest, and changes with what its seed has', 'leave it out')
  const network = text('network-config', shape['network-config'])
  mapOf('network-config', network, refuse)
  return {
    ...given('userData', userData),
    ...given('metaData', metaData),
    ...given('networkConfig', network === undefined ? undefined : withLineEnd(network)),
  }
}

type Users = Readonly<Record<string, unknown>>

/** As cloud-init's modules users-groups and ssh have them. undefined: none are asked for. */
function usersOf({ user, ...rest }: CloudInitShape, readFile: ReadText, refuse: Refuse): Users | undefined {
  const keys = (rest['ssh-keys'] ?? []).flatMap((written) =>
    isKey(written) ? [written] : keysIn(readFile(written, 'ssh-keys') ?? ''),
  )
  if (user === undefined) return rest['ssh-keys'] && { ssh_authorized_keys: keys }
  if (rest['ssh-keys'] === undefined || rest['ssh-keys'].length === 0)
    refuse('user', `nobody could log in as ${user}, who has no key and no password`, 'add ssh-keys')
  const one = { name: user, shell: '/bin/bash', sudo: 'ALL=(ALL) NOPASSWD:ALL', ssh_authorized_keys: keys }
  return { users: ['default', one] }
}

const isKey = (text: string): boolean => /^(?:ssh-|ecdsa-|sk-)\S+ \S/.test(text)

/** As in authorized_keys, sshd(8). */
function keysIn(text: string): string[] {
  return text.split('\n').flatMap((line) => (line.trim() === '' || line.startsWith('#') ? [] : [line.trim()]))
}

function withUsers(userData: SeedText, users: Users, refuse: Refuse): SeedText {
  if (!isMap(userData)) {
    refuse('user-data', 'user and ssh-keys go with user data that is a map', 'write it as a map, or the keys into it')
    return userData
  }
  for (const key of Object.keys(users))
    if (Object.hasOwn(userData, key))
      refuse('user-data', `${key} is in the user data, and made of user and ssh-keys as well`, 'leave one of them out')
  return { ...userData, ...users }
}

const isContent = (text: string): boolean => text.startsWith('#') || text.includes('\n')

function contentText(written: SeedText | undefined): string | undefined {
  return written === undefined || typeof written === 'string' ? written : JSON.stringify(written, null, 2)
}

/** A map of user data is cloud-init's own kind of it. */
function configOf(written: SeedText | undefined): SeedText | undefined {
  return isMap(written) ? `#cloud-config\n${contentText(written)}` : written
}

/** cloud-init passes over what begins otherwise, and only says so in its log. */
function userDataOf(text: string | undefined, refuse: Refuse): string | undefined {
  if (text === undefined) return undefined
  if (!/^(?:#|content-type:|mime-version:)/i.test(text))
    refuse(
      'user-data',
      'cloud-init does not take this for user data: it begins with #cloud-config, #! or another of its words',
      'write #cloud-config into its first line',
    )
  return withLineEnd(text)
}

const withLineEnd = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`)

function mapOf(key: string, text: string | undefined, refuse: Refuse): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = parse(text)
    if (isMap(value)) return value
    refuse(key, `${key} is not a map in YAML`)
  } catch (error) {
    refuse(key, `${key} is not YAML: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`)
  }
  return undefined
}

export function cloudInitText({ userData, metaData, networkConfig }: SeedContent): Written {
  return { 'user-data': userData, 'meta-data': metaData, 'network-config': networkConfig }
}
