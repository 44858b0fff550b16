/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way out. The kernel's routes are asked for each packet, so that it follows every change of route, neighbour and
 * link: where it knows the neighbour the packet goes straight out, else by way of the neighbour table, else by the stack.
 */
#ifndef BATON_SEND_H
#define BATON_SEND_H

#include "answer.h"
#include "rewrite.h"

/* Linux's own number; the headers call it so only inside of the kernel. */
#define AF_INET_ 2
#define AF_INET6_ 10

enum way { WAY_OUT, WAY_NEIGHBOUR, WAY_HERE, WAY_STACK, WAY_TOO_BIG };

struct route {
	enum way way;
	__u32 interface;
	__u32 mtu;
	__u8 to[ETH_ALEN];
	__u8 from[ETH_ALEN];
};

/* Of the largest packet that this one becomes on the wire, headers of IP included. */
static __always_inline __u32 wire_bytes(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 header = packet->transport - NETWORK;

	if (skb->gso_size == 0)
		return packet->bytes;
	return header + (packet->key.protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr)) + skb->gso_size;
}

static __always_inline void find_route(struct __sk_buff *skb, const struct packet *packet, __u8 family,
				       const __u32 source[4], const __u32 destination[4], __u32 bytes, __u32 interface,
				       struct route *route)
{
	struct bpf_fib_lookup fib = {
		.family = family == FAMILY_IPV6 ? AF_INET6_ : AF_INET_,
		.l4_protocol = packet->key.protocol,
		.tot_len = bytes,
		.ifindex = skb->ifindex,
	};
	long found;

	if (family == FAMILY_IPV6) {
		__builtin_memcpy(fib.ipv6_src, source, 16);
		__builtin_memcpy(fib.ipv6_dst, destination, 16);
	} else {
		fib.tos = packet->service_type;
		fib.ipv4_src = source[0];
		fib.ipv4_dst = destination[0];
	}
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	route->interface = fib.ifindex;
	route->mtu = 0;
	switch (found) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		route->way = WAY_OUT;
		__builtin_memcpy(route->to, fib.dmac, ETH_ALEN);
		__builtin_memcpy(route->from, fib.smac, ETH_ALEN);
		return;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		route->way = WAY_NEIGHBOUR;
		return;
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		route->way = WAY_HERE;
		return;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		route->way = WAY_TOO_BIG;
		route->mtu = fib.mtu_result;
		return;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		/* Servers are reached all the same: the director knows the way. */
		route->way = interface ? WAY_NEIGHBOUR : WAY_STACK;
		route->interface = interface;
		return;
	default:
		route->way = WAY_STACK;
	}
}

/* `next`: the neighbour, where that is not the packet's destination (direct routing). */
static __always_inline int send(struct __sk_buff *skb, const struct route *route, __u8 family, const __u32 *next)
{
	if (route->way == WAY_OUT) {
		if (bpf_skb_store_bytes(skb, 0, route->to, ETH_ALEN, 0) < 0 ||
		    bpf_skb_store_bytes(skb, ETH_ALEN, route->from, ETH_ALEN, 0) < 0)
			return TC_ACT_SHOT;
		return bpf_redirect(route->interface, 0);
	}
	if (route->way == WAY_NEIGHBOUR) {
		struct bpf_redir_neigh neighbour = { .nh_family = family == FAMILY_IPV6 ? AF_INET6_ : AF_INET_ };

		if (!next)
			return bpf_redirect_neigh(route->interface, 0, 0, 0);
		if (family == FAMILY_IPV6)
			__builtin_memcpy(neighbour.ipv6_nh, next, 16);
		else
			neighbour.ipv4_nh = next[0];
		return bpf_redirect_neigh(route->interface, &neighbour, sizeof(neighbour), 0);
	}
	return TC_ACT_OK;
}

#endif
