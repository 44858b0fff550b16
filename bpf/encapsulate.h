/* SPDX-License-Identifier: GPL-2.0 */
/* Tunnels: an outer IPv4 or IPv6 header around the packet as it is (IPIP), with TTL, type of service and DF as in IPVS. */
#ifndef BATON_ENCAPSULATE_H
#define BATON_ENCAPSULATE_H

#include "parse.h"

static __always_inline __u32 tunnel_bytes(const struct server *server)
{
	return server->family == FAMILY_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

static __always_inline __u16 ipv4_checksum(const struct iphdr *ip)
{
	__u32 sum = bpf_csum_diff(0, 0, (__u32 *)ip, sizeof(*ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline int encapsulate(struct __sk_buff *skb, const struct packet *packet, const struct server *server)
{
	__u8 inner = packet->key.family == FAMILY_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__be16 ethernet = bpf_htons(server->family == FAMILY_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	__u32 bytes = packet->bytes;

	if (server->family == FAMILY_IPV6) {
		struct ipv6hdr ip = {
			.version = 6,
			.priority = packet->service_type >> 4,
			.flow_lbl = { packet->service_type << 4 },
			.payload_len = bpf_htons(bytes),
			.nexthdr = inner,
			.hop_limit = packet->hops,
		};

		if (bpf_skb_adjust_room(skb, sizeof(ip), BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
			return -1;
		__builtin_memcpy(&ip.saddr, server->source, 16);
		__builtin_memcpy(&ip.daddr, server->address, 16);
		if (bpf_skb_store_bytes(skb, NETWORK, &ip, sizeof(ip), BPF_F_INVALIDATE_HASH) < 0)
			return -1;
	} else {
		struct iphdr ip = {
			.version = 4,
			.ihl = 5,
			.tos = packet->service_type,
			.tot_len = bpf_htons(bytes + sizeof(ip)),
			.frag_off = bpf_htons(packet->may_fragment ? 0 : IPV4_DONT_FRAGMENT),
			.ttl = packet->hops,
			.protocol = inner,
			.saddr = server->source[0],
			.daddr = server->address[0],
		};

		/* RFC 6864: what may be fragmented needs a number of its own. */
		if (packet->may_fragment)
			ip.id = bpf_get_prandom_u32();
		if (bpf_skb_adjust_room(skb, sizeof(ip), BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
			return -1;
		ip.check = ipv4_checksum(&ip);
		if (bpf_skb_store_bytes(skb, NETWORK, &ip, sizeof(ip), BPF_F_INVALIDATE_HASH) < 0)
			return -1;
	}
	return bpf_skb_store_bytes(skb, __builtin_offsetof(struct ethhdr, h_proto), &ethernet, 2, 0);
}

#endif
