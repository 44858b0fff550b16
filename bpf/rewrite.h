/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses, ports and hop limits of a packet, with the checksums that cover them; with and without offload. */
#ifndef BATON_REWRITE_H
#define BATON_REWRITE_H

#include "route.h"

/* Since Linux 6.16: keeps a complete hardware checksum right where pseudo headers of IPv6 change. */
#define L4_CSUM_IPV6 (1ULL << 7)

enum side { SIDE_SOURCE, SIDE_DESTINATION };

/* A packet's IP header, taken out, changed, and put back as a whole: each writing to a packet costs. */
struct head {
	/* So that what follows Ethernet is aligned. */
	__u16 unused;
	struct ethhdr ethernet;
	union {
		struct iphdr ipv4;
		struct ipv6hdr ipv6;
	};
};

static __always_inline int take_head(struct __sk_buff *skb, __u8 family, struct head *head)
{
	if (family == FAMILY_IPV6)
		return load(skb, NETWORK, &head->ipv6, sizeof(head->ipv6));
	/* Before Linux 6.3 the stack is read only where it was written, and the verifier may later take the family for the other. */
	__builtin_memset((void *)&head->ipv6 + sizeof(head->ipv4), 0, sizeof(head->ipv6) - sizeof(head->ipv4));
	return load(skb, NETWORK, &head->ipv4, sizeof(head->ipv4));
}

/* With its Ethernet header where the way out is known. */
static __always_inline int put_head(struct __sk_buff *skb, __u8 family, struct head *head, const struct route *route)
{
	__u32 bytes = family == FAMILY_IPV6 ? sizeof(head->ipv6) : sizeof(head->ipv4);

	if (route->way != WAY_OUT)
		return bpf_skb_store_bytes(skb, NETWORK, &head->ipv4, bytes, 0);
	__builtin_memcpy(head->ethernet.h_dest, route->to, ETH_ALEN);
	__builtin_memcpy(head->ethernet.h_source, route->from, ETH_ALEN);
	head->ethernet.h_proto = bpf_htons(family == FAMILY_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	return bpf_skb_store_bytes(skb, 0, &head->ethernet, NETWORK + bytes, 0);
}

/* Ones' complement: by how much sums grow that cover these words. RFC 1624. */
static __always_inline __u32 difference_of(const __u32 *before, const __u32 *after, const int words)
{
	__u64 sum = 0;

	for (int at = 0; at < words; at++)
		sum += (__u64)~before[at] + after[at];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return sum + (sum >> 32);
}

static __always_inline __u16 checksum_after(__u16 checksum, __u32 difference)
{
	__u32 sum = (__u16)~checksum + (difference & 0xffff) + (difference >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* RFC 1812 §5.3.1. */
static __always_inline void take_hop(struct head *head, __u8 family)
{
	if (family == FAMILY_IPV6) {
		head->ipv6.hop_limit--;
		return;
	}
	head->ipv4.ttl--;
	/* The hops are the upper byte of a word that is in network order. */
	head->ipv4.check = checksum_after(head->ipv4.check, bpf_htons(0xfeff));
}

/* Of a packet that has lost one on its way here which was none. */
static __always_inline int return_hop(struct __sk_buff *skb, struct packet *packet)
{
	__u32 before = bpf_htons(packet->hops << 8), after = bpf_htons((packet->hops + 1) << 8);
	__u8 hops = packet->hops + 1;

	packet->hops = hops;
	if (packet->key.family == FAMILY_IPV6)
		return bpf_skb_store_bytes(skb, NETWORK + __builtin_offsetof(struct ipv6hdr, hop_limit), &hops, 1, 0);
	if (bpf_l3_csum_replace(skb, NETWORK + __builtin_offsetof(struct iphdr, check), before, after, 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, NETWORK + __builtin_offsetof(struct iphdr, ttl), &hops, 1, 0);
}

/* By how much checksums grow that cover the address. */
static __always_inline __u32 readdress(struct head *head, __u8 family, enum side side, const __u32 address[4])
{
	__u32 difference, *before;

	if (family == FAMILY_IPV6) {
		before = (__u32 *)(side == SIDE_SOURCE ? &head->ipv6.saddr : &head->ipv6.daddr);
		difference = difference_of(before, address, 4);
		__builtin_memcpy(before, address, 16);
		return difference;
	}
	before = side == SIDE_SOURCE ? &head->ipv4.saddr : &head->ipv4.daddr;
	difference = difference_of(before, address, 1);
	*before = address[0];
	head->ipv4.check = checksum_after(head->ipv4.check, difference);
	return difference;
}

static __always_inline __u32 checksum_offset(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? __builtin_offsetof(struct tcphdr, check) : __builtin_offsetof(struct udphdr, check);
}

/* A checksum that covers a pseudo header; one of UDP that is 0 stays so. */
static __always_inline int renew_pseudo(struct __sk_buff *skb, __u32 at, __u8 family, __u32 difference, __u64 flags)
{
	flags |= BPF_F_PSEUDO_HDR;
	if (family == FAMILY_IPV6 && bpf_l4_csum_replace(skb, at, 0, difference, flags | L4_CSUM_IPV6) == 0)
		return 0;
	return bpf_l4_csum_replace(skb, at, 0, difference, flags);
}

/* The transport header's part in what `readdress` began: its checksum, and the port on that side. */
static __always_inline int rewrite_port(struct __sk_buff *skb, const struct packet *packet, enum side side, __u16 port,
					__u32 difference)
{
	const struct flow_key *key = &packet->key;
	__u16 before = side == SIDE_SOURCE ? key->source_port : key->destination_port;
	__u32 check = packet->transport + checksum_offset(key->protocol);
	__u64 flags = key->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (packet->is_tail)
		return 0;
	if (renew_pseudo(skb, check, key->family, difference, flags) < 0)
		return -1;
	if (port == before)
		return 0;
	if (bpf_l4_csum_replace(skb, check, before, port, flags | 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, packet->transport + (side == SIDE_SOURCE ? 0 : 2), &port, 2, 0);
}

static __always_inline __u32 address_offset(__u8 family, enum side side)
{
	if (family == FAMILY_IPV6)
		return side == SIDE_SOURCE ? __builtin_offsetof(struct ipv6hdr, saddr) : __builtin_offsetof(struct ipv6hdr, daddr);
	return side == SIDE_SOURCE ? __builtin_offsetof(struct iphdr, saddr) : __builtin_offsetof(struct iphdr, daddr);
}

/* One address of the packet that an ICMP error tells of. What changes in an IPv4 header its checksum makes up for. */
static __always_inline int readdress_inner(struct __sk_buff *skb, const struct packet *packet, enum side side,
					   const __u32 address[4], __u32 *difference)
{
	__u32 at = packet->inner + address_offset(packet->key.family, side);
	__u32 before[4] = {};

	if (packet->key.family == FAMILY_IPV6) {
		if (bpf_skb_load_bytes(skb, at, before, 16) < 0)
			return -1;
		*difference = difference_of(before, address, 4);
		return bpf_skb_store_bytes(skb, at, address, 16, 0);
	}
	if (bpf_skb_load_bytes(skb, at, before, 4) < 0)
		return -1;
	if (bpf_l3_csum_replace(skb, packet->inner + __builtin_offsetof(struct iphdr, check), before[0], address[0], 4) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, at, address, 4, 0);
}

/*
 * NAT of an ICMP error: its own address is rewritten on `side`, by `readdress`; here follows the same end of the packet
 * that it tells of, on the other side. ICMP's own checksum sees an IPv6 address there, and the port.
 */
static __always_inline int rewrite_told(struct __sk_buff *skb, const struct packet *packet, enum side side,
					const __u32 address[4], __u16 port, __u32 difference)
{
	enum side inner_side = side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE;
	__u32 at = packet->inner_transport + (inner_side == SIDE_SOURCE ? 0 : 2);
	__u32 check = packet->transport + __builtin_offsetof(struct icmp, checksum);
	__u16 before;

	if (packet->key.family == FAMILY_IPV6 && renew_pseudo(skb, check, FAMILY_IPV6, difference, 0) < 0)
		return -1;
	if (readdress_inner(skb, packet, inner_side, address, &difference) < 0)
		return -1;
	if (packet->key.family == FAMILY_IPV6 && bpf_l4_csum_replace(skb, check, 0, difference, 0) < 0)
		return -1;
	if (bpf_skb_load_bytes(skb, at, &before, 2) < 0)
		return -1;
	if (before == port)
		return 0;
	if (bpf_l4_csum_replace(skb, check, before, port, 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, at, &port, 2, 0);
}

/* NAT: one end of a packet, whose head has been taken out, becomes another. The head is put back. */
static __always_inline int rewrite_end(struct __sk_buff *skb, const struct packet *packet, struct head *head, const struct route *route,
				       enum side side, const __u32 address[4], __u16 port)
{
	__u32 difference = readdress(head, packet->key.family, side, address);

	if (put_head(skb, packet->key.family, head, route) < 0)
		return -1;
	if (packet->is_icmp)
		return rewrite_told(skb, packet, side, address, port, difference);
	return rewrite_port(skb, packet, side, port, difference);
}

#endif
