import { describe, expect, test } from 'vitest'
import { exceeds } from './blast-radius.ts'

const none = { guests: 0, ofGuests: 0, servers: 0, ofServers: 0 }

describe('the blast-radius limit', () => {
  test.each([
    { name: 'nothing goes away', blast: none, says: [] },
    { name: 'one of one goes away', blast: { ...none, guests: 1, ofGuests: 1 }, says: [] },
    { name: 'a third goes away', blast: { ...none, guests: 2, ofGuests: 6 }, says: [] },
    {
      name: 'more than a third goes away',
      blast: { ...none, guests: 2, ofGuests: 5 },
      says: ['2 of 5 guests would be removed or replaced'],
    },
    {
      name: 'too many servers go away',
      blast: { ...none, servers: 3, ofServers: 4 },
      says: ['3 of 4 servers would go away'],
    },
    {
      name: 'both are too many',
      blast: { guests: 9, ofGuests: 9, servers: 9, ofServers: 9 },
      says: ['9 of 9 guests would be removed or replaced', '9 of 9 servers would go away'],
    },
  ])('when $name it says $says', ({ blast, says }) => {
    expect(exceeds(blast)).toEqual(says)
  })

  test('another limit can be given', () => {
    expect(exceeds({ ...none, guests: 9, ofGuests: 10 }, 0.9)).toEqual([])
  })
})
