/** Words as they may stand on a command line of ipvsadm, sensible or not: for property tests. */
import fc from 'fast-check'
import { optionTable } from '../../src/formats/ipvsadm/options.ts'

const options = optionTable.flatMap(({ long, short }) => [`--${long}`, ...(short === undefined ? [] : [`-${short}`])])
const values = [
  '10.0.0.1:80', '[fd00::1]:80', 'fd00::1', '10.9.0.2', '3', '-1', '', 'rr', 'sip', 'master', 'gue', 'lo', '239.1.1.1', '--', '-',
] // biome-ignore format: a list to read at a glance

const option = fc.constantFrom(...options)
const value = fc.constantFrom(...values)

/** One word: an option, a value, both in one, or anything. */
export const ipvsadmWord: fc.Arbitrary<string> = fc.oneof(
  option,
  value,
  fc.string({ maxLength: 8 }),
  fc.tuple(option, value).map(([name, text]) => `${name}=${text}`),
)
