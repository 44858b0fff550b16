import { describe, expect, test } from 'vitest'
import { frontOf } from './fronts.ts'

describe('the front that a call means', () => {
  test.each([
    { called: 'ipvsadm', words: ['-L', '--help'], is: { name: 'ipvsadm', words: ['-L', '--help'] } },
    { called: 'ipvsadm', words: ['ipvsadm'], is: { name: 'ipvsadm', words: ['ipvsadm'] } },
    { called: 'ipvsadm-save', words: [], is: { name: 'ipvsadm-save', words: [] } },
    { called: 'baton', words: ['ipvsadm', '-h'], is: { name: 'ipvsadm', words: ['-h'] } },
    { called: 'baton.mjs', words: ['ipvsadm-restore'], is: { name: 'ipvsadm-restore', words: [] } },
    { called: 'ldirectord', words: ['-d', 'start'], is: { name: 'ldirectord', words: ['-d', 'start'] } },
    { called: 'keepalived', words: ['-t'], is: { name: 'keepalived', words: ['-t'] } },
    { called: 'virt-install', words: ['--name', 'a'], is: { name: 'virt-install', words: ['--name', 'a'] } },
    { called: 'baton', words: ['ldirectord', 'web.cf', 'stop'], is: { name: 'ldirectord', words: ['web.cf', 'stop'] } },
    {
      called: 'xen-list-images',
      words: ['--test', '/srv'],
      is: { name: 'xen-list-images', words: ['--test', '/srv'] },
    },
    { called: 'baton', words: ['help', 'ipvsadm'], is: undefined },
    { called: 'baton', words: [], is: undefined },
    { called: '', words: ['up'], is: undefined },
  ])('$called $words', ({ called, words, is }) => {
    expect(frontOf(called, words)).toEqual(is)
  })
})
