/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tunnels: an outer IPv4 or IPv6 header around the packet as it is, and between them nothing (IPIP), a header of GRE
 * (RFC 2784) or those of UDP and GUE (draft-ietf-intarea-gue-09 section 3). TTL, type of service, DF and ports are as in
 * ip_vs_xmit.c. Neither GRE nor GUE has a checksum here: large packets are cut by offload later, each piece would need
 * its own, and no program can ask for that.
 */
#ifndef BATON_ENCAPSULATE_H
#define BATON_ENCAPSULATE_H

#include "parse.h"

struct gre {
	__be16 flags;
	__be16 protocol;
};

struct gue {
	struct udphdr udp;
	__u8 length;
	__u8 protocol;
	__be16 flags;
};

/* What ip_local_port_range is where nobody has set it: udp_flow_src_port takes its ports from there. */
#define FIRST_FLOW_PORT 32768
#define FLOW_PORTS (60999 - FIRST_FLOW_PORT)

static __always_inline __u32 wrapping_bytes(const struct server *server)
{
	switch (server->tunnel) {
	case TUNNEL_GRE:
		return sizeof(struct gre);
	case TUNNEL_GUE:
		return sizeof(struct gue);
	default:
		return 0;
	}
}

static __always_inline __u32 tunnel_bytes(const struct server *server)
{
	return (server->family == FAMILY_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + wrapping_bytes(server);
}

static __always_inline __u16 ipv4_checksum(const struct iphdr *ip)
{
	__u32 sum = bpf_csum_diff(0, 0, (__u32 *)ip, sizeof(*ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* One port for all packets of a connection, so that those who balance by ports on the way keep their order. */
static __always_inline __be16 flow_port(struct __sk_buff *skb)
{
	__u32 hash = bpf_get_hash_recalc(skb);

	hash ^= hash << 16;
	return bpf_htons(FIRST_FLOW_PORT + (__u32)((__u64)hash * FLOW_PORTS >> 32));
}

/* Room for `overhead` bytes behind Ethernet, with what segmentation has to know of them. */
static __always_inline int make_room(struct __sk_buff *skb, const struct server *server, __u32 overhead)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	flags |= server->family == FAMILY_IPV6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	if (server->tunnel == TUNNEL_GRE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_GRE;
	else if (server->tunnel == TUNNEL_GUE)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	return bpf_skb_adjust_room(skb, overhead, BPF_ADJ_ROOM_MAC, flags);
}

static __always_inline __u8 wrapping_protocol(const struct packet *packet, const struct server *server)
{
	if (server->tunnel == TUNNEL_GRE)
		return IPPROTO_GRE;
	if (server->tunnel == TUNNEL_GUE)
		return IPPROTO_UDP;
	return packet->key.family == FAMILY_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
}

static __always_inline struct gre gre_of(const struct packet *packet)
{
	struct gre gre = { .protocol = bpf_htons(packet->key.family == FAMILY_IPV6 ? ETH_P_IPV6 : ETH_P_IP) };

	return gre;
}

static __always_inline void outer_ipv6(struct ipv6hdr *ip, const struct packet *packet, const struct server *server)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 6;
	ip->priority = packet->service_type >> 4;
	ip->flow_lbl[0] = packet->service_type << 4;
	ip->payload_len = bpf_htons(packet->bytes + wrapping_bytes(server));
	ip->nexthdr = wrapping_protocol(packet, server);
	ip->hop_limit = packet->hops;
	__builtin_memcpy(&ip->saddr, server->source, 16);
	__builtin_memcpy(&ip->daddr, server->address, 16);
}

static __always_inline void outer_ipv4(struct iphdr *ip, const struct packet *packet, const struct server *server)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = packet->service_type;
	ip->tot_len = bpf_htons(packet->bytes + tunnel_bytes(server));
	ip->frag_off = bpf_htons(packet->may_fragment ? 0 : IPV4_DONT_FRAGMENT);
	ip->ttl = packet->hops;
	ip->protocol = wrapping_protocol(packet, server);
	ip->saddr = server->source[0];
	ip->daddr = server->address[0];
	/* RFC 6864: what may be fragmented needs a number of its own. */
	if (packet->may_fragment)
		ip->id = bpf_get_prandom_u32();
	ip->check = ipv4_checksum(ip);
}

static __always_inline int put_wrapping(struct __sk_buff *skb, const struct packet *packet, const struct server *server,
					__u32 at, __be16 port)
{
	if (server->tunnel == TUNNEL_GRE) {
		struct gre gre = gre_of(packet);

		return bpf_skb_store_bytes(skb, at, &gre, sizeof(gre), 0);
	}
	if (server->tunnel == TUNNEL_GUE) {
		struct gue gue = {
			.udp.source = port,
			.udp.dest = server->tunnel_port,
			.udp.len = bpf_htons(packet->bytes + sizeof(gue)),
			.protocol = packet->key.family == FAMILY_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
		};

		return bpf_skb_store_bytes(skb, at, &gue, sizeof(gue), 0);
	}
	return 0;
}

static __always_inline int encapsulate(struct __sk_buff *skb, const struct packet *packet, const struct server *server)
{
	__be16 ethernet = bpf_htons(server->family == FAMILY_IPV6 ? ETH_P_IPV6 : ETH_P_IP);
	__be16 port = server->tunnel == TUNNEL_GUE ? flow_port(skb) : 0;
	__u32 wrapping;

	if (make_room(skb, server, tunnel_bytes(server)) < 0)
		return -1;
	if (server->family == FAMILY_IPV6) {
		struct ipv6hdr ip;

		outer_ipv6(&ip, packet, server);
		wrapping = NETWORK + sizeof(ip);
		if (bpf_skb_store_bytes(skb, NETWORK, &ip, sizeof(ip), BPF_F_INVALIDATE_HASH) < 0)
			return -1;
	} else {
		struct iphdr ip;

		outer_ipv4(&ip, packet, server);
		wrapping = NETWORK + sizeof(ip);
		if (bpf_skb_store_bytes(skb, NETWORK, &ip, sizeof(ip), BPF_F_INVALIDATE_HASH) < 0)
			return -1;
	}
	if (put_wrapping(skb, packet, server, wrapping, port) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, __builtin_offsetof(struct ethhdr, h_proto), &ethernet, 2, 0);
}

#endif
