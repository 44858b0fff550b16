import { describe, expect, test } from 'vitest'
import { describeXendomains, parseXendomains, xendomainsVariables } from './xendomains.ts'

const debian = `## Type: string
#
XENDOMAINS_MIGRATE=""
XENDOMAINS_SAVE=/var/lib/xen/save
XENDOMAINS_RESTORE=true
XENDOMAINS_AUTO=/etc/xen/auto
`

describe('xendomains', () => {
  test('an empty file is what Debian ships', () => {
    expect(parseXendomains('')).toEqual(parseXendomains(debian))
    expect(describeXendomains(parseXendomains(''))).toBe(
      'at halt saved; at start what has autostart, and what was saved',
    )
  })

  test('the last line counts, quoted as a shell has it; comments do not', () => {
    const text = `${debian}XENDOMAINS_SAVE=""\n# XENDOMAINS_AUTO=""\nXENDOMAINS_RESTORE=false\n XENDOMAINS_MIGRATE='--live hv2' # or hv3\n`
    expect(parseXendomains(text)).toEqual({ auto: true, save: false, restore: false, migrate: '--live hv2' })
    expect(describeXendomains(parseXendomains(text))).toBe('at halt moved to --live hv2; at start what has autostart')
    expect(describeXendomains(parseXendomains('XENDOMAINS_SAVE=\nXENDOMAINS_AUTO=\nXENDOMAINS_RESTORE=\n'))).toBe(
      'at halt shut down; at start nothing',
    )
  })

  test('only what is to be otherwise is set', () => {
    const now = parseXendomains(debian)
    expect(xendomainsVariables(now, {})).toEqual({})
    expect(xendomainsVariables(now, now)).toEqual({})
    expect(xendomainsVariables(now, { auto: false, save: false, restore: false, migrate: 'hv2' })).toEqual({
      XENDOMAINS_AUTO: '""',
      XENDOMAINS_SAVE: '""',
      XENDOMAINS_RESTORE: '""',
      XENDOMAINS_MIGRATE: '"hv2"',
    })
    expect(xendomainsVariables({ ...now, save: false }, { save: true })).toEqual({
      XENDOMAINS_SAVE: '"/var/lib/xen/save"',
    })
  })
})
