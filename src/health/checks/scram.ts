/** SCRAM-SHA-256 (RFC 5802, 7677), the client's side, without channel binding. */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

// In a thread of its own: thousands of rounds are milliseconds that other checks would wait.
const derive = promisify(pbkdf2)

/** A server that wants more rounds than this would keep the director's machine busy rather than its own. */
const maxRounds = 100_000

export type Scram = {
  /** The client's first message. */
  readonly first: string
  /** The final message that answers the server's first; undefined when that is none. */
  readonly answer: (challenge: string) => Promise<string | undefined>
  /** Whether the server's final message proves that it knows the password. After `answer` only. */
  readonly isServer: (final: string) => boolean
}

/** The name is left empty, as PostgreSQL wants it: it has it already. */
export function scram(password: string, nonce: string = randomBytes(18).toString('base64'), user = ''): Scram {
  const bare = `n=${user},r=${nonce}`
  let signature: Buffer | undefined
  return {
    first: `n,,${bare}`,
    async answer(challenge) {
      const [, joined = '', salt = '', rounds = ''] = /^r=([^,]+),s=([^,]+),i=(\d{1,9})(?:,|$)/.exec(challenge) ?? []
      if (!joined.startsWith(nonce) || joined === nonce) return undefined
      if (Number(rounds) < 1 || Number(rounds) > maxRounds) return undefined
      const salted = await derive(password.normalize('NFKC'), Buffer.from(salt, 'base64'), Number(rounds), 32, 'sha256')
      const withoutProof = `c=biws,r=${joined}`
      const said = `${bare},${challenge},${withoutProof}`
      const clientKey = sign(salted, 'Client Key')
      const storedKey = createHash('sha256').update(clientKey).digest()
      const clientSignature = sign(storedKey, said)
      const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (clientSignature[at] ?? 0)))
      signature = sign(sign(salted, 'Server Key'), said)
      return `${withoutProof},p=${proof.toString('base64')}`
    },
    isServer(final) {
      const said = Buffer.from(/^v=([^,]+)/.exec(final)?.[1] ?? '', 'base64')
      return signature !== undefined && said.length === signature.length && timingSafeEqual(said, signature)
    },
  }
}

const sign = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
