/* SPDX-License-Identifier: GPL-2.0 */
/* On its way: straight out where that is known, else by way of the kernel's neighbour table, else by the stack. */
#ifndef BATON_SEND_H
#define BATON_SEND_H

#include "answer.h"
#include "rewrite.h"

/* The Ethernet header of a packet that got a new one of IP in front. */
static __always_inline int put_ethernet(struct __sk_buff *skb, const struct route *route)
{
	struct ethhdr ethernet;

	if (route->way != WAY_OUT)
		return 0;
	__builtin_memcpy(ethernet.h_dest, route->to, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, route->from, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, &ethernet, 2 * ETH_ALEN, 0);
}

/* Up the stack of the director itself, by a route of its own: packets from its own addresses are refused elsewhere. */
static __always_inline int send_here(void)
{
	return bpf_redirect_neigh(LOOPBACK, 0, 0, 0);
}

static __always_inline int send(struct route *route)
{
	if (route->way == WAY_OUT && !route->is_fresh)
		return bpf_redirect(route->interface, 0);
	if (route->way != WAY_OUT && route->way != WAY_NEIGHBOUR)
		return TC_ACT_OK;
	if (route->neighbour.nh_family == 0)
		return bpf_redirect_neigh(route->interface, 0, 0, 0);
	return bpf_redirect_neigh(route->interface, &route->neighbour, sizeof(route->neighbour), 0);
}

#endif
