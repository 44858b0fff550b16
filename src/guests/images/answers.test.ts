import { expect, test } from 'vitest'
import { answersOf } from './answers.ts'

const file = (name: string, text: string) => ({ name, content: new TextEncoder().encode(text) })

test.each([
  {
    name: 'a preseed file',
    text: '# ours\nd-i debian-installer/locale string en_US.UTF-8\n',
    made: { place: 'initrd', name: 'preseed.cfg', cmdline: 'auto=true priority=critical file=/preseed.cfg' },
  },
  {
    name: 'a kickstart file',
    text: 'text\nlang en_US.UTF-8\n%packages\n%end\n',
    made: { place: 'initrd', name: 'ks.cfg', cmdline: 'inst.ks=file:/ks.cfg inst.text' },
  },
  {
    name: 'user data',
    text: '#cloud-config\nautoinstall: { version: 1 }\n',
    made: { place: 'seed', name: 'user-data', cmdline: 'autoinstall ds=nocloud' },
  },
])('$name is known by its content', ({ text, made: { place, name, cmdline } }) => {
  const answers = answersOf([file('mine', text), file('late.sh', '')], 'quiet')
  expect(answers).toMatchObject({ place, cmdline: `${cmdline} quiet` })
  const names = answers?.files.map((one) => one.name)
  expect(names).toEqual([name, 'late.sh', ...(place === 'seed' ? ['meta-data'] : [])])
})

test('meta-data that is given is kept', () => {
  const [user, meta] = [file('mine', '#cloud-config\n'), file('meta-data', 'instance-id: ours\n')]
  expect(answersOf([user, meta], undefined)?.files).toEqual([{ ...user, name: 'user-data' }, meta])
})

test('another file needs words that tell the kernel of it', () => {
  const other = file('answers.xml', '<unattend/>')
  expect(answersOf([other], 'answers=/answers.xml')).toMatchObject({ files: [other], cmdline: 'answers=/answers.xml' })
  expect(() => answersOf([other], undefined)).toThrow('answers.xml is no preseed')
  expect(answersOf([], undefined)).toBeUndefined()
})
