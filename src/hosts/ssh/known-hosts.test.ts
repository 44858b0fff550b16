import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeKey, knownName, knownTypes, parseKnownHosts } from './known-hosts.ts'

const ed = { type: 'ssh-ed25519', key: 'AAAAC3one' }
const judge = (text: string, name: string, key = ed): string =>
  judgeKey(parseKnownHosts(text, 'known_hosts'), [name], key).kind

function hashed(name: string): string {
  const salt = Buffer.from('0123456789abcdefghij')
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`
}

describe('known hosts', () => {
  // biome-ignore format: one row each
  test.each([
    ['hv1 ssh-ed25519 AAAAC3one', 'hv1', 'known'],
    ['HV1 ssh-ed25519 AAAAC3one a comment', 'hv1', 'known'],
    ['# hv1 ssh-ed25519 AAAAC3one', 'hv1', 'unknown'],
    ['hv2,10.0.0.1,hv1 ssh-ed25519 AAAAC3one', 'hv1', 'known'],
    ['hv1 ssh-ed25519 AAAAC3one', '[hv1]:2222', 'unknown'],
    ['[hv1]:2222 ssh-ed25519 AAAAC3one', '[hv1]:2222', 'known'],
    ['*.example.org,!db.example.org ssh-ed25519 AAAAC3one', 'web.example.org', 'known'],
    ['*.example.org,!db.example.org ssh-ed25519 AAAAC3one', 'db.example.org', 'unknown'],
    ['hv? ssh-ed25519 AAAAC3one', 'hv12', 'unknown'],
    [`${hashed('hv1')} ssh-ed25519 AAAAC3one`, 'hv1', 'known'],
    [`${hashed('hv2')} ssh-ed25519 AAAAC3one`, 'hv1', 'unknown'],
    ['hv1 ssh-ed25519 AAAAC3two', 'hv1', 'changed'],
    ['hv1 ssh-ed25519 AAAAC3two\nhv1 ssh-ed25519 AAAAC3one', 'hv1', 'known'],
    ['hv1 ssh-rsa AAAAB3', 'hv1', 'other-types'],
    ['hv1 ssh-ed25519 AAAAC3one\n@revoked * ssh-ed25519 AAAAC3one', 'hv1', 'revoked'],
    ['@revoked * ssh-ed25519 AAAAC3two\nhv1 ssh-ed25519 AAAAC3one', 'hv1', 'known'],
    ['@cert-authority * ssh-ed25519 AAAAC3one', 'hv1', 'unknown'],
  ])('%j, asked for %s: %s', (text, name, verdict) => {
    expect(judge(text, name)).toBe(verdict)
  })

  test('a changed key says where the other one stands', () => {
    const entries = parseKnownHosts('\n# one\nhv1 ssh-ed25519 AAAAC3two', 'known_hosts')
    expect(judgeKey(entries, ['hv1'], ed)).toEqual({ kind: 'changed', place: 'known_hosts:3' })
  })

  test('the types of known keys are asked for first', () => {
    const entries = parseKnownHosts('hv1 ssh-rsa A\nhv1 ssh-ed25519 B\nhv2 ecdsa-sha2-nistp256 C', 'f')
    expect(knownTypes(entries, ['hv1'])).toEqual(['ssh-rsa', 'ssh-ed25519'])
  })

  test('whatever a file holds, no key is known that does not stand in it', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes(ed.key))
        expect(judge(text, 'hv1')).not.toBe('known')
      }),
    )
  })

  test('only another port than 22 is part of the name', () => {
    expect([knownName('HV1', 22), knownName('hv1', 2222)]).toEqual(['hv1', '[hv1]:2222'])
  })
})
