import { expect, test } from 'vitest'
import { encodeAttributes, text } from './netlink.ts'
import { tableThatWent } from './nfnetlink.ts'

/** NFT_MSG_DELTABLE as Linux 6 tells of it: family inet, its name and its use. */
const payload = Uint8Array.of(
  1,
  0,
  0,
  0,
  ...encodeAttributes([
    [1, text('baton-vrrp')],
    [3, Uint8Array.of(0, 0, 0, 1)],
  ]),
)
const message = { flags: 0, sequence: 0, port: 0, payload }

test('a table that was taken away is told by its name, and nothing else is', () => {
  expect(tableThatWent({ ...message, type: 0x0a02 })).toBe('baton-vrrp')
  expect(tableThatWent({ ...message, type: 0x0a00 })).toBeUndefined()
})
