import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { closedPort, makeCertificate } from '../../../../test/build/servers.ts'
import { smtpSink } from '../../../../test/build/smtp-sink.ts'
import type { Mail } from './alerts.ts'
import { openMailer } from './mailer.ts'

const self = `${userInfo().username}@${hostname()}`
const mail: Mail = {
  to: ['ops@shop.example', 'eve@shop.example'],
  from: 'Balancer <lb@shop.example>',
  relay: '127.0.0.1',
  subject: '[shop] Deleted real server: 10.9.0.1:80 (10.0.0.1:80)',
  text: 'ldirectord host: lb1\nLog-Message: x\nDaemon-Status: running\n',
}

describe('mails on their way', () => {
  test('a relay gets each for all that it is for', async () => {
    await using sink = await smtpSink()
    const lines: string[] = []
    {
      await using mailer = openMailer({ log: (message) => lines.push(message), port: sink.port })
      mailer.send(mail)
      mailer.send({ ...mail, from: undefined, to: ['ops@shop.example'], subject: 'second' })
    }
    expect(lines).toEqual([])
    expect(sink.taken.map(({ from, to }) => ({ from, to }))).toEqual([
      { from: self, to: ['ops@shop.example', 'eve@shop.example'] },
      { from: self, to: ['ops@shop.example'] },
    ])
    const [first, second] = sink.taken
    expect(first?.text).toContain('\nTo: ops@shop.example, eve@shop.example\n')
    expect(first?.text).toContain(`\nSubject: ${mail.subject}\n`)
    expect(first?.text.replaceAll('\n', ' ')).toContain('From: Balancer <lb@shop.example>')
    expect(first?.text.endsWith(`\n\n${mail.text}`)).toBe(true)
    expect(second?.text).toContain(`From: ${self}\n`)
  })

  test('is encrypted where that is offered, whoever signed the certificate', async () => {
    await using sink = await smtpSink({}, makeCertificate())
    {
      await using mailer = openMailer({ log: () => {}, port: sink.port })
      mailer.send(mail)
    }
    expect(sink.taken.map(({ isEncrypted }) => isEncrypted)).toEqual([true])
  })

  test('what cannot be sent is said, and the next is tried all the same', async () => {
    const lines: string[] = []
    const port = await closedPort()
    await using mailer = openMailer({ log: (message) => lines.push(message), port })
    mailer.send(mail)
    mailer.send(mail)
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(2)
    expect(lines[0]).toMatch(/^failed to send SMTP email message: .*ECONNREFUSED/u)
  })

  test('a crowd of mails is bounded', async () => {
    const lines: string[] = []
    await using mailer = openMailer({ log: (message) => lines.push(message), port: await closedPort() })
    for (let count = 0; count < 101; count += 1) mailer.send(mail)
    expect(lines).toEqual([`failed to send email message: 100 wait already: ${mail.subject}`])
  })

  test('without a relay the sendmail of this machine takes it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'baton-mail-'))
    try {
      const sendmail = join(folder, 'sendmail')
      writeFileSync(sendmail, `#!/bin/sh\necho "$@" > ${folder}/words\ncat > ${folder}/mail\n`)
      chmodSync(sendmail, 0o755)
      {
        await using mailer = openMailer({ log: () => {}, sendmail })
        mailer.send({ ...mail, relay: undefined })
      }
      expect(readFileSync(join(folder, 'words'), 'utf8')).toBe(`-i -f ${self} ops@shop.example eve@shop.example\n`)
      expect(readFileSync(join(folder, 'mail'), 'utf8')).toContain(`Subject: ${mail.subject}\n`)
      const lines: string[] = []
      {
        await using broken = openMailer({ log: (message) => lines.push(message), sendmail: join(folder, 'none') })
        broken.send({ ...mail, relay: undefined })
      }
      expect(lines[0]).toMatch(/^failed to send email message: .*ENOENT/u)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
