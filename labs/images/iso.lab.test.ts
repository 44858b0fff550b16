/** A disc that installs: made here, booted by QEMU's firmware, which finds its work on the disk at the next boot. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeDisc, sectorBytes } from '../../src/wire/iso9660.ts'
import { type Baton, openBaton } from '../hello/baton.ts'
import { bootSector } from './boot-sector.ts'

const text = (words: string): number[] => [...new TextEncoder().encode(words)]

/** The second sector of what was loaded becomes the first of the disk: int 13h, AH 3; then a reset by port 0xcf9. */
const install = [
  ...[0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7e, 0xb9, 0x01, 0x00, 0xba, 0x80, 0x00, 0xcd, 0x13],
  ...[0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee],
]
/** El Torito 1.0: a boot record in sector 17 names the catalogue, whose entry names what is loaded, here without emulation. */
function bootableDisc(): Uint8Array {
  const plain = encodeDisc('LAB', [{ name: 'readme', content: new Uint8Array(1) }])
  const [catalogue, image] = [plain.length / sectorBytes, plain.length / sectorBytes + 1]
  const disc = new Uint8Array(plain.length + 2 * sectorBytes)
  const view = new DataView(disc.buffer)
  disc.set(plain)
  disc.fill(0, 17 * sectorBytes, 18 * sectorBytes)
  disc.set([0, ...text('CD001'), 1, ...text('EL TORITO SPECIFICATION')], 17 * sectorBytes)
  view.setUint32(17 * sectorBytes + 71, catalogue, true)
  const at = catalogue * sectorBytes
  disc.set([1], at)
  disc.set([0x55, 0xaa], at + 30)
  view.setUint16(at + 28, 0x10000 - (1 + 0xaa55), true) // all words of the entry together are 0
  disc.set([0x88], at + 32)
  view.setUint16(at + 38, 4, true)
  view.setUint32(at + 40, image, true)
  disc.set(bootSector(install, 'from the disc\r\n'), image * sectorBytes)
  disc.set(bootSector([], 'from the disk\r\n'), image * sectorBytes + 512)
  return disc
}

async function succeed(baton: Baton, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await baton.run(...args)
  expect(code, `baton ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

test('a guest boots from the disc, and from its disk once something is there: by a command, and by a file', async () => {
  await using baton = openBaton()
  const iso = join(baton.directory, 'lab.iso')
  writeFileSync(iso, bootableDisc())
  const said = async (guest: string): Promise<string[]> =>
    (await succeed(baton, 'console', guest, '--log')).match(/from the dis[ck]/g) ?? []
  const until = { timeout: 60_000, interval: 500 }

  await succeed(baton, 'run', '--cdrom', iso, '--disk', '16M', '--memory', '32M')
  await expect.poll(() => said('lab'), until).toEqual(['from the disc', 'from the disk'])
  await succeed(baton, 'destroy', 'lab')
  await succeed(baton, 'start', 'lab')
  await expect.poll(() => said('lab'), until).toEqual(['from the disc', 'from the disk', 'from the disk'])
  const again = await baton.run('run', '--cdrom', iso)
  expect(again.stderr).toContain('there is a guest lab')

  const file = join(baton.directory, 'baton.yaml')
  writeFileSync(
    file,
    'name: discs\nimages: { installer: { iso: ./lab.iso } }\nguests: { box: { image: installer, memory: 32M, disk: 16M } }\n',
  )
  await succeed(baton, 'up', file)
  await expect.poll(() => said('box'), until).toEqual(['from the disc', 'from the disk'])
  expect(await succeed(baton, 'plan', file)).not.toContain('guest.')
  const kept = await baton.run('remove', 'box')
  expect(kept.stderr).toContain('box belongs to discs')
  await succeed(baton, 'destroy', 'box')
  await succeed(baton, 'down', file)

  writeFileSync(join(baton.directory, 'plain.iso'), encodeDisc('LAB', []))
  const refused = await baton.run('run', '--cdrom', join(baton.directory, 'plain.iso'))
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.stderr).toContain('plain.iso is no disc that boots')
  await succeed(baton, 'remove', 'lab')
  expect(baton.processes()).toEqual([])
  // The directories themselves stay: they are everybody's.
  const left = baton.leftovers().filter((name) => name !== 'run' && name !== 'state')
  expect(left.toSorted()).toEqual(['baton.yaml', 'lab.iso', 'plain.iso'])
}, 240_000)
