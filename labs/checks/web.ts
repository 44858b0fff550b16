/** haproxy as web server over TCP and TLS, and dnsmasq as name server. */
import { freePorts, type Started, serving } from './process.ts'

export async function haproxy(): Promise<Started<{ http: number; https: number; tcp: number }>> {
  return serving('haproxy', async (room) => {
    const [http = 0, https = 0, tcp = 0] = await freePorts(3)
    const { cert, key } = await room.certificate()
    await room.run('/bin/sh', ['-c', `cat ${cert} ${key} > both.pem`])
    const config = await room.file(
      'haproxy.cfg',
      `
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend web
  bind 127.0.0.1:${http}
  bind 127.0.0.1:${https} ssl crt ${room.path}/both.pem
  http-request return status 503 if { path /down }
  http-request redirect location /well if { path /moved }
  http-request return status 200 content-type text/plain lf-string "%[method] %[url] %[req.hdr(host)] %[ssl_fc_sni]"
frontend agent
  mode tcp
  bind 127.0.0.1:${tcp}
  tcp-request content reject
`,
    )
    await room.start('haproxy', ['-db', '-f', config], { ports: [http, https, tcp] })
    return { http, https, tcp }
  })
}

export async function dnsmasq(): Promise<Started<{ dns: number }>> {
  return serving('dnsmasq', async (room) => {
    const [dns = 0] = await freePorts(1)
    const config = await room.file(
      'dnsmasq.conf',
      `
port=${dns}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
local=/shop/
pid-file=
user=root
address=/www.shop/192.0.2.1
address=/www.shop/2001:db8::1
txt-record=info.shop,all is well
srv-host=_sip._udp.shop,sip.shop,5060,10,5
mx-host=shop,mail.shop,7
ptr-record=1.2.0.192.in-addr.arpa,www.shop
`,
    )
    await room.start('dnsmasq', ['--keep-in-foreground', `--conf-file=${config}`], { ports: [dns] })
    return { dns }
  })
}
