/* SPDX-License-Identifier: GPL-2.0 */
/* Where a packet comes from, and whether it is ours to look at. */
#ifndef BATON_ORIGIN_H
#define BATON_ORIGIN_H

#include "maps.h"
#include <linux/if_packet.h>
#include <linux/in.h>

/* `lo` of every network namespace: the kernel's LOOPBACK_IFINDEX. */
#define LOOPBACK 1
#define VLAN_ID 0x0fff

/*
 * A packet with a firewall's mark comes once more, by the director's own interface for that. The director's own programs'
 * packets come by lo where their destination is here, else they are met on their way out.
 */
enum origin { ORIGIN_WIRE, ORIGIN_STEERED, ORIGIN_LOOPBACK, ORIGIN_LEAVING };

/*
 * A frame for another machine is seen where an interface is promiscuous, as a bridge's ports are. One with a VLAN's tag is
 * met again at that VLAN's interface, without it; the tag 0 stands for none (802.1Q, 6.9).
 */
static __always_inline int is_for_us(struct __sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST && !(skb->vlan_present && skb->vlan_tci & VLAN_ID);
}

/* A packet leaves with its tag otherwise, whatever interface it leaves by. */
static __always_inline int untag(struct __sk_buff *skb)
{
	return skb->vlan_present ? bpf_skb_vlan_pop(skb) : 0;
}

/* Within the machine both directions of a connection pass the same hook, and services may be at any port. */
static __always_inline int is_answer(const struct flow_key *key)
{
	struct flow_key other = {
		.source_port = key->destination_port,
		.destination_port = key->source_port,
		.protocol = key->protocol,
		.family = key->family,
	};

	__builtin_memcpy(other.source, key->destination, sizeof(other.source));
	__builtin_memcpy(other.destination, key->source, sizeof(other.destination));
	return bpf_map_lookup_elem(&flows, &other) != 0;
}

#endif
