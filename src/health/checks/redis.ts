/** Check `redis`: PING is answered; AUTH and the role on request (RESP2, which every version speaks first). */
import type { Probe, RedisCheckSpec } from '../check.ts'
import { type Conversation, converse, misspoken } from './conversation.ts'
import { shown, up } from './verdict.ts'

/** ROLE's first word; a replica is called slave there. */
const roles: Readonly<Record<string, 'master' | 'replica' | undefined>> = { master: 'master', slave: 'replica' }

export function redisProbe(spec: RedisCheckSpec): Probe {
  const { login, role, tls } = spec
  return (target, { signal, from }) =>
    converse(target, { signal, from, tls }, async (talk) => {
      if (login !== undefined) {
        const words = login.user === '' ? [login.password] : [login.user, login.password]
        const answer = await ask(talk, 'AUTH', ...words)
        if (answer !== '+OK') throw misspoken(`AUTH is answered with ${shown(answer)}`)
      }
      const answer = await ask(talk, 'PING')
      if (answer !== '+PONG') throw misspoken(`PING is answered with ${shown(answer)}`)
      if (role === undefined) return up('PING is answered')
      const said = await askRole(talk)
      if (roles[said] !== role) throw misspoken(`its role is ${shown(said)}, not ${role}`)
      return up(`its role is ${role}`)
    })
}

/** Sends a command as an array of strings: nothing in them needs to be quoted. Returns the answer's first line. */
async function ask(talk: Conversation, ...words: readonly string[]): Promise<string> {
  talk.await(`no answer to ${words[0]}`)
  talk.send(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  return await talk.line()
}

/** ROLE answers with an array whose first item is the word. */
async function askRole(talk: Conversation): Promise<string> {
  const array = await ask(talk, 'ROLE')
  if (!/^\*[1-9]\d*$/.test(array)) throw misspoken(`ROLE is answered with ${shown(array)}`)
  const item = await talk.line()
  if (!/^\$\d+$/.test(item)) throw misspoken(`ROLE is answered with ${shown(item)}`)
  return await talk.line()
}
