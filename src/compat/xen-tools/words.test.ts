import { describe, expect, test } from 'vitest'
import { readWords } from './words.ts'

const table = {
  hostname: 'value',
  ip: 'values',
  dhcp: 'switch',
  keep: 'switch',
  keyring: 'value',
  extension: 'optional',
  help: 'flag',
} as const

describe('words as Getopt::Long reads them', () => {
  test.each([
    [['--hostname=a'], { hostname: ['a'] }, [], []],
    [['-hostname', 'a', 'b'], { hostname: ['a'] }, ['b'], []],
    [['--host', 'a', '--hostname', 'c'], { hostname: ['c'] }, [], []],
    [['--ip', '1', '--ip=2'], { ip: ['1', '2'] }, [], []],
    [['--DHCP'], { dhcp: ['yes'] }, [], []],
    [['--nodhcp', '--no-keep'], { dhcp: ['no'], keep: ['no'] }, [], []],
    [['--extension', '--help'], { extension: [''], help: ['yes'] }, [], []],
    [['--extension=.x', '--', '--help'], { extension: ['.x'] }, ['--help'], []],
    [['--bogus'], {}, [], ['Unknown option: bogus']],
    [['--ke'], {}, [], ['Option ke is ambiguous']],
    [['--hostname'], {}, [], ['Option hostname requires an argument']],
    [['--help=1'], {}, [], ['Option help does not take an argument']],
  ])('%j', (words, given, rest, complaints) => {
    const read = readWords(words, table)
    expect(Object.fromEntries(read.given)).toEqual(given)
    expect([read.rest, read.complaints]).toEqual([rest, complaints])
  })
})
