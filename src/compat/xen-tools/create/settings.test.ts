import { describe, expect, test } from 'vitest'
import { parseXlCfg } from '../../../formats/xl-cfg/parse.ts'
import { listSetting, settingsOf, textSetting } from '../../../formats/xl-cfg/settings.ts'
import { readWords } from '../words.ts'
import { configFile } from './config-file.ts'
import { guestFiles } from './guest-files.ts'
import { createOptions } from './options.ts'
import { type CreateSettings, readSettings } from './settings.ts'
import { placeVolumes } from './volumes.ts'

const shipped = { memory: '256M', size: '4G', swap: '512M', fs: 'ext4', kernel: '/boot/vmlinuz-6.1' }
const own = { ownSuite: 'bookworm', ownArchitecture: 'amd64', partitions: undefined }

function read(line: string, file: Readonly<Record<string, string>> = shipped, partitions?: string) {
  const { given } = readWords(line.split(' ').filter(Boolean), createOptions)
  return readSettings({ ...own, partitions, file: new Map(Object.entries(file)), given })
}

function settings(line: string, file?: Readonly<Record<string, string>>, partitions?: string): CreateSettings {
  const result = read(line, file, partitions)
  if ('complaints' in result) throw new Error(result.complaints.join('\n'))
  return result
}

const placed = (found: CreateSettings) => placeVolumes(found.hostname, found.storage, found.volumes, 'xvda')
const asked =
  '--hostname=lpic --lvm=ubuntu-vg --vcpus=1 --memory=256M --maxmem=256M --size=8G --swap=1000m --dhcp --dist=bookworm'

describe('what xen-create-image is asked for', () => {
  test('a command line of the original', () => {
    expect(settings(asked)).toMatchObject({
      hostname: 'lpic',
      dist: 'bookworm',
      storage: { kind: 'lvm', group: 'ubuntu-vg' },
      vcpus: 1,
      memoryMebibytes: 256,
      maxMemoryMebibytes: 256,
      volumes: [
        { name: 'swap', mebibytes: 1000, fs: 'swap' },
        { name: 'disk', mebibytes: 8192, fs: 'ext4', mountpoint: '/' },
      ],
      // The one that the original gives this guest.
      network: { addresses: [], mac: '00:16:3E:38:9B:05' },
      installation: { method: 'debootstrap', isFresh: false },
      boot: { kind: 'pygrub' },
      generatedPasswordLength: 23,
      configFile: '/etc/xen/lpic.cfg',
    })
  })

  test('what is given counts more than the file, and a place puts away the place there', () => {
    const found = settings('--hostname=a --dir=/srv --ip=10.0.0.5 --memory=1.5G', {
      ...shipped,
      lvm: 'vg0',
      dhcp: '1',
      memory: '128M',
    })
    expect(found).toMatchObject({
      storage: { kind: 'dir', directory: '/srv' },
      memoryMebibytes: 1536,
      network: { addresses: ['10.0.0.5'] },
    })
  })

  test.each([
    ['--hostname=a --dir=/srv --dhcp --nopygrub', 'kernel'],
    ['--hostname=a --dir=/srv --dhcp', 'pygrub'],
    ['--hostname=a --dir=/srv --dhcp --install-method=tar --install-source=/t', 'kernel'],
    ['--hostname=a --dir=/srv --dhcp --install-method=tar --install-source=/t --pygrub', 'pygrub'],
  ])('%s boots by %s', (line, kind) => {
    expect(settings(line).boot.kind).toBe(kind)
  })

  test.each([
    ['--dir=/srv --dhcp', /'--hostname' argument is mandatory/],
    ['--hostname=a --dir=/srv', /choose one of: --dhcp/],
    ['--hostname=a --dir=/srv --dhcp --ip=10.0.0.1', /not both/],
    ['--hostname=a --dhcp', /choose one of: --dir/],
    ['--hostname=a --dir=/srv --lvm=vg0 --dhcp', /choose one of: --dir/],
    ['--hostname=a --dir=/srv --dhcp --memory=256', /'memory' argument takes a suffixed/],
    ['--hostname=a --dir=/srv --dhcp --size=4X', /'size' argument takes a suffixed/],
    ['--hostname=a/../b --dir=/srv --dhcp', /'hostname' argument must be a valid hostname/],
    ['--hostname=a --dir=/srv --ip=300.1.1.1', /'ip' argument must be valid IPv4/],
    ['--hostname=a --dir=/srv --ip=auto', /no list of free ones/],
    ['--hostname=a --dir=/srv --dhcp --dist=wheezy', /'dist' argument takes a distribution name/],
    ['--hostname=a --dir=/srv --dhcp --fs=xfs', /pygrub cannot read xfs/],
    ['--hostname=a --dir=/srv --dhcp --fs=reiserfs', /'fs' argument must be a supported/],
    ['--hostname=a --dir=/srv --dhcp --zpool=tank', /zpool is not for Baton/],
    ['--hostname=a --dir=/srv --dhcp --install-method=rinse', /rinse is not for Baton/],
    ['--hostname=a --dir=/srv --dhcp --install-method=copy', /needs --install-source/],
    ['--hostname=a --dir=/srv --dhcp --vlan=7', /Open vSwitch/],
    ['--hostname=a --lvm=vg0/x --dhcp', /'lvm' argument must be one word/],
  ])('%s is refused', (line, complaint) => {
    expect(read(line)).toMatchObject({ complaints: expect.arrayContaining([expect.stringMatching(complaint)]) })
  })

  test('volumes of a file of partitions, numbered by the lengths of their mount points', () => {
    const file =
      '[root]\nsize=1G\ntype=ext4\nmountpoint=/\n[home]\nsize=512M\ntype=xfs\nmountpoint=/home\n[swap]\nsize=1G\ntype=swap\n'
    const found = settings('--hostname=a --lvm=vg0 --dhcp --partitions=x', shipped, file)
    expect(placed(found).map(({ path, device, fs }) => [path, device, fs])).toEqual([
      ['/dev/vg0/a-swap', 'xvda1', 'swap'],
      ['/dev/vg0/a-root', 'xvda2', 'ext4'],
      ['/dev/vg0/a-home', 'xvda3', 'xfs'],
    ])
  })

  test.each([
    ['[root]\nsize=1G\ntype=ext4\nmountpoint=/srv\n', /one volume, and only one/],
    ['[root]\nsize=1\ntype=ext4\nmountpoint=/\n', /size takes a suffixed/],
    ['[ro ot]\nsize=1G\ntype=ext4\nmountpoint=/\n', /letters, digits and dashes/],
    ['[root]\nsize=1G\ntype=ext4\nmountpoint=/../x\n', /absolute path/],
    ['nonsense', /line 1 is neither/],
  ])('partitions %j are refused', (file, complaint) => {
    const result = read('--hostname=a --dir=/srv --dhcp --partitions=x', shipped, file)
    expect(result).toMatchObject({ complaints: expect.arrayContaining([expect.stringMatching(complaint)]) })
  })
})

describe('the configuration for xl', () => {
  test('is what the original writes, with the card that a new udev would rename, and no endless restart', () => {
    const found = settings(`${asked} --bridge=xenbr0 --vifname=lpic0`)
    const text = configFile(found, placed(found), '0b1f3b3e-0000-4000-8000-000000000001')
    const { settings: xl } = settingsOf(parseXlCfg(text).assignments)
    expect(
      Object.fromEntries(
        ['bootloader', 'extra', 'memory', 'root', 'name', 'on_crash', 'dhcp', 'type'].map((key) => [
          key,
          textSetting(xl, key),
        ]),
      ),
    ).toEqual({
      bootloader: 'pygrub',
      extra: 'net.ifnames=0',
      memory: '256',
      root: '/dev/xvda2 ro',
      name: 'lpic',
      on_crash: 'destroy',
      dhcp: 'dhcp',
      type: 'pv',
    })
    expect(listSetting(xl, 'disk')).toEqual([
      'phy:/dev/ubuntu-vg/lpic-disk,xvda2,w',
      'phy:/dev/ubuntu-vg/lpic-swap,xvda1,w',
    ])
    expect(listSetting(xl, 'vif')).toEqual(['mac=00:16:3E:38:9B:05,vifname=lpic0,bridge=xenbr0'])
  })

  test('has the kernel of Dom0 without pygrub, and files as disks', () => {
    const found = settings(
      '--hostname=a --dir=/srv --ip=10.0.0.5 --noswap --nopygrub --initrd=/boot/i --bridge=ovs0 --vlan=7',
    )
    const { settings: xl } = settingsOf(parseXlCfg(configFile(found, placed(found), 'u')).assignments)
    expect([textSetting(xl, 'kernel'), textSetting(xl, 'ramdisk'), textSetting(xl, 'bootloader')]).toEqual([
      '/boot/vmlinuz-6.1',
      '/boot/i',
      undefined,
    ])
    expect(listSetting(xl, 'disk')).toEqual(['file:/srv/domains/a/disk.img,xvda1,w'])
    expect(listSetting(xl, 'vif')[0]).toMatch(/^ip=10.0.0.5,mac=.*,bridge=ovs0.7$/)
  })
})

describe('the files of the guest', () => {
  const host = { hosts: '127.0.0.1 localhost\n', resolvConf: 'nameserver 192.0.2.53\n', timezone: 'Etc/UTC\n' }

  test('a fixed address', () => {
    const line =
      '--hostname=web.example.org --dir=/srv --ip=10.0.0.5 --ip=10.0.0.6 --netmask=255.255.255.0 --gateway=10.0.0.1'
    const found = settings(`${line} --nameserver=10.0.0.2`)
    const files = guestFiles(found, placed(found), host)
    expect(files['etc/hostname']).toBe('web\n')
    expect(files['etc/hosts']).toContain('10.0.0.5    web.example.org web\n')
    expect(files['etc/resolv.conf']).toBe('nameserver 10.0.0.2\n')
    expect(files['etc/network/interfaces']).toBe(
      'auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n address 10.0.0.5\n netmask 255.255.255.0\n gateway 10.0.0.1\n\nauto eth0:1\niface eth0:1 inet static\n address 10.0.0.6\n netmask 255.255.255.0\n',
    )
  })

  test('DHCP, swap and the root file system', () => {
    const found = settings(asked)
    const files = guestFiles(found, placed(found), host)
    expect(files['etc/network/interfaces']).toContain('iface eth0 inet dhcp\n')
    expect(files['etc/fstab']).toContain('/dev/xvda1 none swap sw 0 0\n')
    expect(files['etc/fstab']).toContain('/dev/xvda2 / ext4 noatime,nodiratime,errors=remount-ro 0 1\n')
    expect(files['etc/hosts']).toContain('127.0.1.1    lpic\n')
  })

  test('Ubuntu has netplan', () => {
    const found = settings(
      '--hostname=u --dir=/srv --ip=10.0.0.5 --netmask=255.255.252.0 --gateway=10.0.0.1 --dist=noble',
    )
    const files = guestFiles(found, placed(found), host)
    expect(files['etc/netplan/01-netcfg.yaml']).toContain('addresses: [10.0.0.5/22]')
    expect(files['etc/network/interfaces']).toBeUndefined()
  })
})
