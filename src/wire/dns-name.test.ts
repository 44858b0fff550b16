import { expect, test } from 'vitest'
import { parseDnsName } from './dns-name.ts'

test.each([
  ['www.shop', 'www.shop'],
  ['WWW.Shop.', 'www.shop'],
  ['shop', 'shop'],
  ['a-b.x_1.example', 'a-b.x_1.example'],
  ['', undefined],
  ['.', undefined],
  ['www..shop', undefined],
  ['www.shop..', undefined],
  ['-www.shop', undefined],
  ['www-.shop', undefined],
  ['www shop', undefined],
  ['\u212Aiosk', undefined],
  [`${'a'.repeat(63)}.shop`, `${'a'.repeat(63)}.shop`],
  [`${'a'.repeat(64)}.shop`, undefined],
  ['a.'.repeat(107).slice(0, -1), 'a.'.repeat(107).slice(0, -1)],
  ['a.'.repeat(108).slice(0, -1), undefined],
])('%j as a name is %j', (text, name) => {
  expect(parseDnsName(text)).toBe(name)
})
