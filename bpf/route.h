/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way out, as the kernel's routes have it. An answer is kept with its flow and holds for the packets that follow, for
 * as long as the director vouches that nothing has changed. It hears of every change of route, rule, neighbour, address
 * and link, and vouches for moments only: where it has ended or hangs, each packet asks for itself again.
 *
 * Who asks goes by the kernel's neighbour table, which so hears that the neighbour is in use, and sees to it that it is
 * still there.
 */
#ifndef BATON_ROUTE_H
#define BATON_ROUTE_H

#include "parse.h"

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
	/* The kernel has been asked; and which neighbour it named, if any. */
	__u8 is_fresh;
	struct bpf_redir_neigh neighbour;
};

static __always_inline __u8 address_family(__u8 family)
{
	return family == FAMILY_IPV6 ? AF_INET6_ : AF_INET_;
}

/* Of the largest packet that this one becomes on the wire, headers of IP included. */
static __always_inline __u32 wire_bytes(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 header = packet->transport - NETWORK;

	if (skb->gso_size == 0)
		return packet->bytes;
	return header + (packet->key.protocol == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr)) + skb->gso_size;
}

/* A number for what the kernel is asked, beyond what a flow's packets have in common; a change of one thing changes it. */
static __always_inline __u32 question_of(__u32 interface, const struct packet *packet, const __u32 destination[4])
{
	__u32 place = destination[0] ^ destination[1] ^ destination[2] ^ destination[3];

	return interface * 0x9e3779b1 ^ place ^ (__u32)packet->service_type << 24;
}

static __always_inline void ask_kernel(struct __sk_buff *skb, const struct packet *packet, __u8 family, const __u32 source[4],
				       const __u32 destination[4], __u32 bytes, __u32 interface, struct route *route)
{
	struct bpf_fib_lookup fib = {
		.family = address_family(family),
		.l4_protocol = packet->key.protocol,
		.tot_len = bytes,
		.ifindex = packet->origin == ORIGIN_WIRE ? skb->ifindex : LOOPBACK,
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
	/* The director's own routes, as IPVS takes them, where this interface's packets are not forwarded. */
	if (found == BPF_FIB_LKUP_RET_FWD_DISABLED && fib.ifindex != LOOPBACK) {
		fib.ifindex = LOOPBACK;
		found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	}
	route->is_fresh = 1;
	/* The gateway, where there is one; it may be of another family. */
	route->neighbour.nh_family = fib.family;
	__builtin_memcpy(route->neighbour.ipv6_nh, fib.ipv6_dst, 16);
	route->interface = fib.ifindex;
	/* In one place with `tot_len`. */
	route->mtu = fib.mtu_result;
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
		return;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		/* Servers are reached all the same: the director knows the way. */
		route->way = interface == LOOPBACK ? WAY_HERE : interface ? WAY_NEIGHBOUR : WAY_STACK;
		route->interface = interface;
		route->neighbour.nh_family = 0;
		return;
	default:
		route->way = WAY_STACK;
	}
}

/* By one processor at a time; a generation that there never is keeps others from reading what is half written. */
static __always_inline void keep_route(struct flow *flow, __u32 question, __u32 generation, const struct route *route)
{
	__u32 before = *(volatile __u32 *)&flow->hop.generation;

	if (before == NO_GENERATION || __sync_val_compare_and_swap(&flow->hop.generation, before, NO_GENERATION) != before)
		return;
	flow->hop.question = question;
	flow->hop.interface = route->interface;
	flow->mtu = route->mtu;
	__builtin_memcpy(flow->hop.to, route->to, ETH_ALEN);
	__builtin_memcpy(flow->hop.from, route->from, ETH_ALEN);
	__sync_lock_test_and_set(&flow->hop.generation, generation);
}

/* Whether what stands there holds for this packet; then it is in `route`. */
static __always_inline int take_kept(const struct flow *flow, __u32 question, __u32 bytes, __u64 at, const struct vouched *now,
				     struct route *route)
{
	const volatile __u32 *generation = &flow->hop.generation;
	__u32 before = *generation;

	if (before != *(volatile __u32 *)&now->generation || at >= now->until || flow->hop.question != question ||
	    bytes > flow->mtu)
		return 0;
	route->way = WAY_OUT;
	route->interface = flow->hop.interface;
	__builtin_memcpy(route->to, flow->hop.to, ETH_ALEN);
	__builtin_memcpy(route->from, flow->hop.from, ETH_ALEN);
	return *generation == before;
}

/* `flow`: where the answer is kept, of packets with the same ends. `interface`: to servers, where forwarding is off. */
static __always_inline void find_route(struct __sk_buff *skb, const struct packet *packet, struct flow *flow, __u64 at,
				       __u8 family, const __u32 source[4], const __u32 destination[4], __u32 bytes,
				       __u32 interface, struct route *route)
{
	struct vouched *now = current_vouched();
	__u32 question = question_of(skb->ifindex, packet, destination);
	__u32 generation;

	if (!now) {
		route->way = WAY_STACK;
		return;
	}
	if (take_kept(flow, question, bytes, at, now, route))
		return;
	/* Before the kernel is asked: what changes meanwhile makes the answer an old one. */
	generation = *(volatile __u32 *)&now->generation;
	ask_kernel(skb, packet, family, source, destination, bytes, interface, route);
	if (route->way == WAY_OUT)
		keep_route(flow, question, generation, route);
}

#endif
