/** What answers an installer: known by its content, and how the installer is told of it. Pure. */
import { InfraError } from '../../errors.ts'

export type AnswerFile = { readonly name: string; readonly content: Uint8Array }

/** `initrd`: files in the root of the installer's initrd; `seed`: files of a disc with the label cidata. */
export type Answers = {
  readonly place: 'initrd' | 'seed'
  readonly files: readonly AnswerFile[]
  /** For the installer's kernel. */
  readonly cmdline: string
}

type Kind = {
  readonly begins: RegExp
  readonly place: Answers['place']
  /** The name under which the installer looks for it. */
  readonly name: string
  readonly cmdline: string
}

const kinds: readonly Kind[] = [
  // Ubuntu's autoinstall, and all that asks cloud-init.
  { begins: /^#(cloud-config|!)/, place: 'seed', name: 'user-data', cmdline: 'autoinstall ds=nocloud' },
  {
    // debconf-set-selections(1): owner, question, type, value.
    begins: /^[ \t]*[a-z][a-z0-9+.-]*[ \t]+[\w-]+\/\S+[ \t]+(string|boolean|(multi)?select|password|note|text)\b/m,
    place: 'initrd',
    name: 'preseed.cfg',
    cmdline: 'auto=true priority=critical file=/preseed.cfg',
  },
  {
    begins: /^[ \t]*(%packages|%post|autopart|clearpart|rootpw|bootloader|timezone|keyboard|lang)\b/m,
    place: 'initrd',
    name: 'ks.cfg',
    cmdline: 'inst.ks=file:/ks.cfg inst.text',
  },
]

/**
 * The first file is what answers, the others lie beside it under their own names. One of no known kind is put into the
 * initrd as it is: `append` has to say what to do with it. @throws InfraError `invalid`
 */
export function answersOf(files: readonly AnswerFile[], append: string | undefined): Answers | undefined {
  const [first, ...others] = files
  if (first === undefined) return undefined
  const text = new TextDecoder().decode(first.content)
  const kind = kinds.find(({ begins }) => begins.test(text))
  const more = append === undefined ? [] : [append]
  if (kind === undefined && append === undefined)
    throw new InfraError('invalid', `${first.name} is no preseed, no kickstart file and no user data of cloud-init`, {
      subject: first.name,
      hint: 'for another installer say its kernel where the file is: --append WORDS (it lies in the root of the initrd)',
    })
  if (kind === undefined) return { place: 'initrd', files, cmdline: more.join(' ') }
  const named = [{ ...first, name: kind.name }, ...others]
  const hasMeta = kind.place !== 'seed' || others.some(({ name }) => name === 'meta-data')
  const meta = { name: 'meta-data', content: new TextEncoder().encode('instance-id: install\n') }
  return {
    place: kind.place,
    files: hasMeta ? named : [...named, meta],
    cmdline: [kind.cmdline, ...more].join(' '),
  }
}
