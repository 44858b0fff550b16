/** What netfilter tells of its tables by netlink (Linux, include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h). */
import { decodeAttributes, type NetlinkMessage, readText } from './netlink.ts'

/** NFNLGRP_…: who wants to hear of changes. */
export const netfilterGroups = { nftables: 7 } as const

/** NFNL_SUBSYS_NFTABLES and NFT_MSG_DELTABLE. */
const deleteTable = (10 << 8) | 2
const tableName = 1
/** `struct nfgenmsg   0 family  1 version  2 resource` */
const headerBytes = 4

/** The name of the table that was taken away, if that is what it tells. @throws WireError */
export function tableThatWent({ type, payload }: NetlinkMessage): string | undefined {
  if (type !== deleteTable) return undefined
  const name = decodeAttributes(payload, headerBytes).get(tableName)
  return name && readText(name)
}
