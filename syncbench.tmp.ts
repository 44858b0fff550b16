const cpu=()=>{const u=process.cpuUsage();return (u.user+u.system)/1000}
import { recordOf, received } from '/work/wt-sync/src/sync/records.ts'
import { decodeSync, SyncWriter } from '/work/wt-sync/src/wire/ipvs-sync.ts'
import { defaultTimeouts } from '/work/wt-sync/src/lvs/settings.ts'
const n = 200_000
for (const fam of ['v4','v6']) {
const conns = Array.from({length:n},(_,i)=>({kind:'connection' as const,protocol:'tcp' as const,client:{address: fam==='v4'?`10.${i>>16&255}.${i>>8&255}.${i&255}`:`2001:db8::${(i>>16).toString(16)}:${(i&65535).toString(16)}`,port:1024+(i&8191)},service:{address:fam==='v4'?'10.50.0.1':'fd50::1',port:80},server:{address:fam==='v4'?'10.9.0.2':'fd09::2',port:8080},mark:0,forwarding:'masq' as const,isInputOnly:false,state:'ESTABLISHED' as const,timeoutSeconds:900}))
for (let round=0;round<3;round++){
let t=cpu()
const w = new SyncWriter(1,1472); const out: Uint8Array[]=[]
for (const c of conns){const d=w.add(recordOf(c)); if(d) out.push(d)}
out.push(w.take()!)
const te=cpu()-t
t=cpu()
let k=0
for(const d of out) k+=received(decodeSync(d),1,defaultTimeouts).connections.length
const td=cpu()-t
t=cpu()
const c2=structuredClone(conns)
console.log(fam,`encode ${(te/n*1000).toFixed(2)} us, decode ${(td/n*1000).toFixed(2)} us, clone ${((cpu()-t)/n*1000).toFixed(2)} us`,k,c2.length)
}}
