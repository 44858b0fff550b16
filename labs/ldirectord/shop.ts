/** The real servers that the configurations of this folder name: some well, some sick, and places where nobody is. */
import type { RealServers } from './real-servers.ts'
import type { Behaviour, Page } from './servers.ts'

const pages: Readonly<Record<string, Page>> = {
  '/index.html': { body: 'Test Page\n' },
  '/moved': { location: '/index.html' },
  '/circle': { location: '/circle' },
  '/long': { body: '0123456789abcde\n', repeat: 2048, end: 'the end' },
  '/huge': { body: '0123456789abcde\n', repeat: 16_384, end: 'the end' },
  '/': { body: 'it works\n' },
}
const web: Behaviour = { kind: 'http', pages }
const lines = (greeting: string, answers: Readonly<Record<string, string>> = {}): Behaviour => ({
  kind: 'lines',
  greeting,
  answers,
})

/** Nobody is at 10.9.0.8. */
export const shop: Readonly<Record<string, Behaviour>> = {
  '10.9.0.1:80': { kind: 'http', pages: { ...pages, 'www.lab/vhost': { body: "the host's own" } } },
  '10.9.0.2:80': web,
  '10.9.0.3:80': web,
  '10.9.0.4:80': web,
  '10.9.0.5:80': { kind: 'http', pages: { '*': { status: 500, body: 'Test Page it works' } } },
  '10.9.0.6:80': {
    kind: 'http',
    pages: { '/elsewhere': { location: 'http://10.9.0.1/index.html' }, '*': { body: 'It does not' } },
  },
  '10.9.0.7:80': { kind: 'silent' },
  '10.9.0.1:443': { kind: 'https', pages, isSigned: true },
  '10.9.0.3:443': { kind: 'https', pages },
  '10.9.0.2:443': web,
  '10.9.0.1:25': lines('220 alpha.lab\r\n', { ehlo: '250 alpha.lab\r\n', quit: '221 bye\r\n' }),
  '10.9.0.1:110': lines('+OK alpha.lab\r\n', {
    capa: '-ERR\r\n',
    user: '+OK\r\n',
    'pass right': '+OK\r\n',
    'pass wrong': '-ERR\r\n',
    stat: '+OK 0 0\r\n',
    quit: '+OK\r\n',
  }),
  '10.9.0.1:119': lines('200 alpha.lab\r\n', { quit: '205 bye\r\n' }),
  '10.9.0.1:143': lines('* OK alpha.lab\r\n', {
    capability: '* CAPABILITY IMAP4rev1\r\n{tag} OK\r\n',
    right: '{tag} OK\r\n',
    wrong: '{tag} NO\r\n',
    logout: '* BYE\r\n{tag} OK\r\n',
  }),
  '10.9.0.1:7000': { kind: 'lines', answers: { ping: 'HELLO\nPONG\n' } },
  '10.9.0.2:7000': { kind: 'lines', answers: { ping: 'WRONG\n' } },
  '10.9.0.1:53': { kind: 'dns', address: '10.1.2.3' },
  '10.9.0.2:53': { kind: 'dns', address: '10.1.2.4' },
  '[fd09::1]:7': { kind: 'silent' },
  '[fd09::3]:80': web,
  '192.168.6.2:80': web,
  '192.168.6.3:80': web,
  '192.168.6.6:80': { kind: 'http', pages: { '*': { body: 'It does not' } } },
}

export async function openShop(servers: RealServers): Promise<void> {
  await Promise.all(Object.entries(shop).map(([place, behaviour]) => servers.set(place, behaviour)))
}
