import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeSync, encodeRecord, type SyncMessage, type SyncRecord, SyncWriter, syncFlags } from './ipvs-sync.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/[\s|]/g, ''), 'hex'))
const ip = (text: string): Uint8Array => Uint8Array.from(text.split('.').map(Number))
const recordsOf = (message: SyncMessage): readonly SyncRecord[] => (message.kind === 'message' ? message.records : [])

const plain: SyncRecord = {
  protocol: 6, flags: 0, state: 1, client: ip('10.1.0.2'), service: ip('10.50.0.1'), server: ip('10.9.0.2'),
  clientPort: 40_001, servicePort: 80, serverPort: 8080, mark: 0, timeout: 900,
} // biome-ignore format: one connection

/** As Linux 6.1 sent them, caught on the wire. */
const captured: readonly { name: string; datagram: string; version: 0 | 1; syncId: number; records: SyncRecord[] }[] = [
  {
    name: 'a NAT connection',
    datagram: `00 2a 00 2c 01 01 00 00 | 00 06 00 24 00 00 00 00 00 01 9c 41 00 50 1f 90 00 00 00 00 00 00 03 84
      0a 01 00 02 0a 32 00 01 0a 09 00 02`,
    version: 1,
    syncId: 42,
    records: [plain],
  },
  {
    name: 'its template',
    datagram: `00 2a 00 2c 01 01 00 00 | 00 06 00 24 00 00 11 00 00 00 00 00 00 5a 00 5a 00 00 00 00 00 00 00 64
      0a 01 00 02 0a 32 00 01 0a 09 00 02`,
    version: 1,
    syncId: 42,
    records: [
      {
        ...plain, flags: syncFlags.template | syncFlags.inactive, state: 0, clientPort: 0, servicePort: 90,
        serverPort: 90, timeout: 100,
      },
    ],
  },
  {
    name: 'a template of a firewall mark',
    datagram: `00 2a 00 2c 01 01 00 00 | 00 00 00 24 00 00 11 83 00 00 0000 0000 0000 00000009 00000050
      63010104 00000009 0a09004d`,
    version: 1,
    syncId: 42,
    records: [
      {
        protocol: 0, flags: 0x1183, state: 0, client: ip('99.1.1.4'), service: ip('0.0.0.9'), server: ip('10.9.0.77'),
        clientPort: 0, servicePort: 0, serverPort: 0, mark: 9, timeout: 80,
      },
    ],
  },
  {
    name: 'a template of SIP, with what it is known by',
    datagram: `00 2a 00 3e 01 01 00 00 | 00 11 00 36 00001100 0000 0000 13c4 13c4 00000000 0000003c 0a010002 0a320001 0a090002
      02 0b 61626331323340686f7374 03 03 736970`,
    version: 1,
    syncId: 42,
    records: [
      {
        ...plain, protocol: 17, flags: 0x1100, state: 0, clientPort: 0, servicePort: 5060, serverPort: 5060, timeout: 60,
        engine: { name: 'sip', data: Uint8Array.from(Buffer.from('abc123@host')) },
      },
    ],
  },
  {
    name: 'version 0',
    datagram: '01 2a 00 1c | 00 06 9c 54 00 50 1f 90 0a 01 00 02 0a 32 00 01 0a 09 00 02 00 00 00 01',
    version: 0,
    syncId: 42,
    records: [{ ...plain, clientPort: 40_020, timeout: 0 }],
  },
] // biome-ignore format: connections to read at a glance

const word = fc.nat({ max: 0xffff_ffff })
const half = fc.nat({ max: 0xffff })
const shift = fc.record({ initial: word, delta: word, previousDelta: word })
const record: fc.Arbitrary<SyncRecord> = fc.constantFrom(4, 16).chain((width) => {
  const address = fc.uint8Array({ minLength: width, maxLength: width })
  return fc.record(
    {
      protocol: fc.nat({ max: 255 }),
      flags: word.map((flags) => (flags & ~syncFlags.hashed) >>> 0),
      state: half,
      client: address,
      service: address,
      server: address,
      clientPort: half,
      servicePort: half,
      serverPort: half,
      mark: word,
      timeout: word,
      sequences: fc.record({ in: shift, out: shift }),
      engine: fc.record({
        name: fc.stringMatching(/^[a-z]{1,16}$/),
        data: fc.uint8Array({ minLength: 1, maxLength: 255 }),
      }),
    },
    { requiredKeys: [
      'protocol', 'flags', 'state', 'client', 'service', 'server', 'clientPort', 'servicePort', 'serverPort', 'mark', 'timeout',
    ] }, // biome-ignore format: a list to read at a glance
  )
})

describe('connection synchronisation', () => {
  test.each(captured)('$name, as the kernel sends it', ({ datagram, version, syncId, records }) => {
    expect(decodeSync(bytes(datagram))).toEqual({ kind: 'message', version, syncId, records, flaws: [] })
  })

  test.each(captured.filter(({ version }) => version === 1))(
    '$name, as we write it',
    ({ datagram, syncId, records }) => {
      const writer = new SyncWriter(syncId, 1472)
      for (const one of records) expect(writer.add(one)).toBeUndefined()
      expect(writer.take()).toEqual(bytes(datagram))
      expect(writer.take()).toBeUndefined()
    },
  )

  test('records come back in their order, in datagrams that are never too long', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), fc.integer({ min: 450, max: 1472 }), (records, maxBytes) => {
        const writer = new SyncWriter(7, maxBytes)
        const datagrams = [...records.map((one) => writer.add(one)), writer.take()].flatMap((one) => one ?? [])
        for (const datagram of datagrams) expect(datagram.length).toBeLessThanOrEqual(maxBytes)
        const messages = datagrams.map(decodeSync)
        expect(messages.flatMap((message) => (message.kind === 'message' ? message.flaws : [message.reason]))).toEqual(
          [],
        )
        expect(messages.flatMap(recordsOf)).toEqual(records)
      }),
      { numRuns: 30 },
    )
  })

  test('no more than 255 records are in a datagram', () => {
    const writer = new SyncWriter(1, 65_507)
    const full = Array.from({ length: 256 }, () => writer.add(plain)).flatMap((one) => one ?? [])
    expect(full).toHaveLength(1)
    expect(recordsOf(decodeSync(full[0] ?? new Uint8Array()))).toHaveLength(255)
  })

  test('a record that is too long for any datagram is left out', () => {
    const writer = new SyncWriter(1, 40)
    expect(writer.add(plain)).toBeUndefined()
    expect(writer.isEmpty).toBe(true)
    expect(writer.leftOut).toBe(1)
  })

  test.each([
    { name: 'a datagram that is too short', datagram: '00 2a 00', reason: 'shorter than a header' },
    { name: 'a size that is not its own', datagram: '00 2a 00 09 00 01 00 00', reason: 'a size of 9 in 8 bytes' },
  ])('$name is refused', ({ datagram, reason }) => {
    expect(decodeSync(bytes(datagram))).toEqual({ kind: 'refused', reason })
  })

  const flawed = (change: (record: Uint8Array) => Uint8Array): SyncMessage => {
    const good = encodeRecord(plain)
    const bad = change(encodeRecord({ ...plain, clientPort: 1 }))
    const datagram = Uint8Array.from([0, 1, 0, 8 + 2 * good.length + bad.length, 3, 1, 0, 0, ...good, ...bad, ...good])
    return decodeSync(datagram)
  }
  const withByte = (at: number, value: number) => (one: Uint8Array) => one.with(at, value)
  const withOption =
    (...option: number[]) =>
    (one: Uint8Array) => {
      const longer = Uint8Array.from([...one, ...option])
      longer[3] = longer.length
      return longer
    }
  test.each([
    { name: 'a version that is not 0', change: withByte(2, 0x10), flaw: 'of a version that is not 0', left: 1 },
    { name: 'a length beyond the end', change: withByte(3, 0xff), flaw: 'longer than the message', left: 1 },
    { name: 'a type that is not known', change: withByte(0, 2), flaw: 'of type 2', left: 1 },
    { name: 'IPv6 without room for it', change: withByte(0, 1), flaw: 'too short for its addresses', left: 1 },
    { name: 'an option that is cut off', change: withOption(2, 9, 1, 1), flaw: 'an option that is cut off', left: 1 },
    { name: 'an option twice', change: withOption(9, 1, 1, 9, 1, 1, 73, 0), flaw: 'option 9 twice', left: 1 },
    {
      name: 'sequences that are too short',
      change: withOption(1, 2, 0, 0),
      flaw: 'sequences of a wrong length',
      left: 1,
    },
    {
      name: 'an option that must be understood',
      change: withOption(9, 2, 1, 1),
      flaw: 'option 9, which must be understood',
      left: 2,
    },
    {
      name: 'an engine without its data',
      change: withOption(3, 2, 97, 98),
      flaw: 'an engine without its name or its data',
      left: 2,
    },
  ])('$name: that record is left out, and all after it when they cannot be found', ({ change, flaw, left }) => {
    const message = flawed(change)
    expect(message).toMatchObject({ kind: 'message', flaws: [`record 2: ${flaw}`] })
    expect(recordsOf(message)).toHaveLength(left)
  })

  test('an option that may be left aside is left aside', () => {
    expect(flawed(withOption(0x49, 2, 1, 1))).toMatchObject({ flaws: [] })
  })

  test('bytes of any kind never do harm', () => {
    const random = fc.uint8Array({ maxLength: 200 })
    const headed = random.map((rest) => Uint8Array.from([0, 1, 0, 8 + rest.length, 200, 1, 0, 0, ...rest]))
    fc.assert(
      fc.property(fc.oneof(random, headed), (datagram) => {
        const message = decodeSync(datagram)
        expect(recordsOf(message).length).toBeLessThanOrEqual(datagram.length / oldRecordBytes)
      }),
      { numRuns: 2000 },
    )
  })
})

/** The shortest record that there is. */
const oldRecordBytes = 24
