/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses, ports and hop limits of a packet, with the checksums that cover them; with and without offload. */
#ifndef BATON_REWRITE_H
#define BATON_REWRITE_H

#include "parse.h"

/* Since Linux 6.16: keeps a complete hardware checksum right where pseudo headers of IPv6 change. */
#define L4_CSUM_IPV6 (1ULL << 7)

enum side { SIDE_SOURCE, SIDE_DESTINATION };

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

static __always_inline __u32 address_bytes(__u8 family)
{
	return family == FAMILY_IPV6 ? 16 : 4;
}

static __always_inline __u32 address_offset(__u8 family, enum side side)
{
	if (family == FAMILY_IPV6)
		return side == SIDE_SOURCE ? __builtin_offsetof(struct ipv6hdr, saddr) : __builtin_offsetof(struct ipv6hdr, daddr);
	return side == SIDE_SOURCE ? __builtin_offsetof(struct iphdr, saddr) : __builtin_offsetof(struct iphdr, daddr);
}

/* One address of the header at `header`, and of IPv4 its checksum. The difference is left for those that cover it, too. */
static __always_inline int rewrite_address(struct __sk_buff *skb, __u32 header, __u8 family, enum side side,
					   const __u32 address[4], __u32 *difference)
{
	__u32 at = header + address_offset(family, side);
	__u32 before[4] = {};

	if (family == FAMILY_IPV6) {
		if (bpf_skb_load_bytes(skb, at, before, 16) < 0)
			return -1;
		*difference = bpf_csum_diff(before, 16, (__u32 *)address, 16, 0);
		return bpf_skb_store_bytes(skb, at, address, 16, 0);
	}
	if (bpf_skb_load_bytes(skb, at, before, 4) < 0)
		return -1;
	*difference = bpf_csum_diff(before, 4, (__u32 *)address, 4, 0);
	if (bpf_l3_csum_replace(skb, header + __builtin_offsetof(struct iphdr, check), before[0], address[0], 4) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, at, address, 4, 0);
}

/* NAT: one end of a packet becomes another. */
static __always_inline int rewrite_end(struct __sk_buff *skb, const struct packet *packet, enum side side,
				       const __u32 address[4], __u16 port)
{
	const struct flow_key *key = &packet->key;
	__u16 before = side == SIDE_SOURCE ? key->source_port : key->destination_port;
	__u32 check = packet->transport + checksum_offset(key->protocol);
	__u64 flags = key->protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 difference;

	if (rewrite_address(skb, NETWORK, key->family, side, address, &difference) < 0)
		return -1;
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

/*
 * NAT of an ICMP error: its own address on one side, and the same end of the packet that it tells of, on the other. What
 * changes inside of an IPv4 header its checksum makes up for, so that ICMP's own sees only the port.
 */
static __always_inline int rewrite_error(struct __sk_buff *skb, const struct packet *packet, enum side side,
					 const __u32 address[4], __u16 port)
{
	const struct flow_key *key = &packet->key;
	enum side inner_side = side == SIDE_SOURCE ? SIDE_DESTINATION : SIDE_SOURCE;
	__u32 at = packet->inner_transport + (inner_side == SIDE_SOURCE ? 0 : 2);
	__u32 check = packet->transport + __builtin_offsetof(struct icmp, checksum);
	__u32 difference;
	__u16 before;

	if (rewrite_address(skb, NETWORK, key->family, side, address, &difference) < 0)
		return -1;
	if (key->family == FAMILY_IPV6 && renew_pseudo(skb, check, key->family, difference, 0) < 0)
		return -1;
	if (rewrite_address(skb, packet->inner, key->family, inner_side, address, &difference) < 0)
		return -1;
	if (key->family == FAMILY_IPV6 && bpf_l4_csum_replace(skb, check, 0, difference, 0) < 0)
		return -1;
	if (bpf_skb_load_bytes(skb, at, &before, 2) < 0)
		return -1;
	if (before == port)
		return 0;
	if (bpf_l4_csum_replace(skb, check, before, port, 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, at, &port, 2, 0);
}

static __always_inline int take_hop(struct __sk_buff *skb, const struct packet *packet)
{
	__u8 hops = packet->hops - 1;

	if (packet->key.family == FAMILY_IPV6)
		return bpf_skb_store_bytes(skb, NETWORK + __builtin_offsetof(struct ipv6hdr, hop_limit), &hops, 1, 0);
	if (bpf_l3_csum_replace(skb, NETWORK + __builtin_offsetof(struct iphdr, check), bpf_htons(packet->hops << 8),
				bpf_htons(hops << 8), 2) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, NETWORK + __builtin_offsetof(struct iphdr, ttl), &hops, 1, 0);
}

#endif
