/** `--cloud-init`: the files that cloud-init finds on the seed (cloud-init's NoCloud), by the option's words. */
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { DiscFile } from '../../wire/iso9660.ts'
import { readInstallWords } from './install-words.ts'
import { Refusal } from './refusal.ts'
import { absolute, readSwitch } from './settings.ts'

export type CloudInit = {
  readonly files: readonly DiscFile[]
  /** Of root, where one was made up: the user has to be told. */
  readonly password?: string
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** `text`: undefined for the option alone, which means a made-up password and cloud-init off after the first boot. @throws Refusal */
export function cloudInitFiles(text: string | undefined): CloudInit {
  const words =
    text === undefined
      ? new Map([
          ['root-password-generate', 'yes'],
          ['disable', 'yes'],
        ])
      : readInstallWords('cloud-init', text)
  const isOn = (name: string): boolean => readSwitch('cloud-init', name, words.get(name) ?? 'no')
  const file = (name: string): string | undefined => {
    const path = words.get(name)
    return path === undefined ? undefined : contentOf(name, path)
  }
  const makesPassword = isOn('root-password-generate')
  const made = Array.from({ length: 16 }, () => letters[randomInt(letters.length)]).join('')
  const givenPassword = firstLine(file('root-password-file'))
  const user =
    file('user-data') ??
    userData({
      password: makesPassword ? made : givenPassword,
      mustChange: makesPassword,
      rootKey: firstLine(file('root-ssh-key') ?? file('ssh-key')),
      userKey: firstLine(file('clouduser-ssh-key')),
      isDisabledAfterwards: isOn('disable'),
    })
  const network = file('network-config')
  const encode = (name: string, content: string): DiscFile => ({ name, content: new TextEncoder().encode(content) })
  return {
    files: [
      encode('meta-data', file('meta-data') ?? ''),
      encode('user-data', user),
      ...(network === undefined ? [] : [encode('network-config', network)]),
    ],
    ...(makesPassword && !words.has('user-data') ? { password: made } : {}),
  }
}

type UserData = {
  readonly password: string | undefined
  readonly mustChange: boolean
  readonly rootKey: string | undefined
  readonly userKey: string | undefined
  readonly isDisabledAfterwards: boolean
}

function userData({ password, mustChange, rootKey, userKey, isDisabledAfterwards }: UserData): string {
  const users = [
    ...(rootKey === undefined ? [] : ['  - name: root', '    ssh-authorized-keys:', `      - ${rootKey}`]),
    ...(userKey === undefined ? [] : [`  - ssh-authorized-keys: ${userKey}`]),
  ]
  const lines = [
    '#cloud-config',
    ...(password === undefined
      ? []
      : ['chpasswd:', '  list: |', `    root:${password}`, `  expire: ${mustChange ? 'True' : 'False'}`]),
    ...(users.length === 0 ? [] : ['users:', ...users]),
    ...(isDisabledAfterwards ? ['runcmd:', '- echo "Disabled by virt-install" > /etc/cloud/cloud-init.disabled'] : []),
  ]
  return `${lines.join('\n')}\n`
}

function contentOf(name: string, path: string): string {
  try {
    return readFileSync(absolute(path), 'utf8')
  } catch {
    throw new Refusal(`Error: --cloud-init ${name}=${path}: the file cannot be read`)
  }
}

function firstLine(text: string | undefined): string | undefined {
  return text?.split(/\r?\n/)[0]
}
