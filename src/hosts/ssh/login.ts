/** What we show a host to be let in: the agent's keys, then key files, each once, in the order of ssh(1). */
import { readFile } from 'node:fs/promises'
import ssh2, { type AuthHandlerMiddleware, type ParsedKey } from 'ssh2'
import { InfraError } from '../../errors.ts'
import type { SshSettings } from './settings.ts'

export type Login = {
  readonly handler: AuthHandlerMiddleware
  /** Why there are fewer keys than the user may think, for the error when none was taken. */
  readonly notes: readonly string[]
}

/** @throws InfraError `permission` when there is nothing to show at all. */
export async function prepareLogin(settings: SshSettings): Promise<Login> {
  const { agent, identitiesOnly, identityFiles, user } = settings
  const notes: string[] = []
  const files = await Promise.all(identityFiles.map((path) => readIdentity(path, notes)))
  const keys = files.filter((key): key is ParsedKey => key !== undefined)
  const methods = [
    ...(agent === undefined || identitiesOnly ? [] : [{ type: 'agent' as const, username: user, agent }]),
    ...keys.map((key) => ({ type: 'publickey' as const, username: user, key })),
  ]
  if (agent === undefined) notes.unshift('there is no agent (SSH_AUTH_SOCK)')
  else if (identitiesOnly) notes.unshift('the agent is not asked: IdentitiesOnly yes')
  if (methods.length === 0)
    throw new InfraError('permission', `no key to log in to ${settings.host} with`, {
      subject: settings.host,
      hint: `${notes.join('; ')}; load a key into ssh-agent, or name one by IdentityFile in ~/.ssh/config`,
    })
  const left = [...methods]
  return { handler: (_methodsLeft, _partial, next) => next(left.shift() ?? (false as never)), notes }
}

/** A file that is not there is passed over, as ssh(1) does with its defaults; what cannot be used is noted. */
async function readIdentity(path: string, notes: string[]): Promise<ParsedKey | undefined> {
  const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') notes.push(`${path} cannot be read: ${error.code}`)
    return undefined
  })
  if (content === undefined) return undefined
  const parsed: ParsedKey | ParsedKey[] | Error = ssh2.utils.parseKey(content)
  if (parsed instanceof Error) {
    const isEncrypted = /encrypted|passphrase/i.test(parsed.message)
    notes.push(isEncrypted ? `${path} has a passphrase: load it with ssh-add` : `${path}: ${parsed.message}`)
    return undefined
  }
  return Array.isArray(parsed) ? parsed[0] : parsed
}
