/* SPDX-License-Identifier: GPL-2.0 */
/* A packet's ends: Ethernet, IPv4 or IPv6, then TCP, UDP, or an ICMP error about one of them. */
#ifndef BATON_PARSE_H
#define BATON_PARSE_H

#include "origin.h"
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

/* linux/icmp.h and its like draw in the C library. RFC 792, RFC 4443. */
struct icmp {
	__u8 type;
	__u8 code;
	__u16 checksum;
	/* In its lower half, of errors that tell of an MTU; RFC 1191. */
	__be32 mtu;
};

#define ICMP_UNREACHABLE 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMP_CODE_PORT 3
#define ICMP_CODE_TOO_BIG 4
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER_PROBLEM 4
#define ICMP6_CODE_PORT 4

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_OFFSET 0x1fff
#define NEXT_FRAGMENT 44

struct packet {
	/* An ICMP error is looked up by the answer to the packet that it tells of. */
	struct flow_key key;
	/* Offsets from the Ethernet header on; `inner` is the embedded packet of an ICMP error, else 0. */
	__u32 transport;
	__u32 inner;
	__u32 inner_transport;
	/* Of the IP packet, header included. */
	__u32 bytes;
	__u8 hops;
	__u8 service_type;
	__u8 tcp_event;
	__u8 tcp_flags;
	/* A later fragment: it has no transport header. */
	__u8 is_tail;
	__u8 may_fragment;
	__u8 is_icmp;
	/* enum origin */
	__u8 origin;
	/* Of the way on, where that is what it does not fit into. */
	__u32 mtu;
	/* A firewall's, of a packet that may begin a connection. */
	__u32 mark;
};

#define NETWORK ((__u32)sizeof(struct ethhdr))

struct ipv6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

/* Headers seldom lie further in. */
#define READ_IN_PLACE 256

/* What lies in one piece with the packet's beginning is read in place, the rest by the kernel. Headers are aligned to words. */
static __always_inline long load(struct __sk_buff *skb, __u32 at, void *into, const __u32 bytes)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (at < READ_IN_PLACE && data + at + bytes <= end) {
		__builtin_memcpy(into, __builtin_assume_aligned(data + at, 4), bytes);
		return 0;
	}
	return bpf_skb_load_bytes(skb, at, into, bytes);
}

static __always_inline __u8 event_of(__u8 flags)
{
	if (flags & TCP_RST)
		return EVENT_RST;
	if (flags & TCP_SYN)
		return EVENT_SYN;
	if (flags & TCP_FIN)
		return EVENT_FIN;
	return flags & TCP_ACK ? EVENT_ACK : EVENT_NONE;
}

/* Returns 0, or a negative number when it is no packet of ours. */
static __always_inline int parse_ports(struct __sk_buff *skb, __u32 at, struct flow_key *key, struct packet *packet)
{
	struct {
		__be16 source, destination;
	} ports;

	if (load(skb, at, &ports, sizeof(ports)) < 0)
		return -1;
	key->source_port = ports.source;
	key->destination_port = ports.destination;
	if (packet && key->protocol == IPPROTO_TCP) {
		if (load(skb, at + 13, &packet->tcp_flags, 1) < 0)
			return -1;
		packet->tcp_event = event_of(packet->tcp_flags);
	}
	return 0;
}

/* The first fragment leaves its ports behind for the others. */
static __always_inline int parse_fragment(struct __sk_buff *skb, struct packet *packet, __u32 id, __u32 offset)
{
	struct flow_key *key = &packet->key;
	struct fragment_key fragment = { .id = id, .protocol = key->protocol, .family = key->family };
	struct fragment *found, ports;

	__builtin_memcpy(fragment.source, key->source, sizeof(fragment.source));
	__builtin_memcpy(fragment.destination, key->destination, sizeof(fragment.destination));
	if (offset == 0) {
		if (parse_ports(skb, packet->transport, key, packet) < 0)
			return -1;
		ports.source_port = key->source_port;
		ports.destination_port = key->destination_port;
		bpf_map_update_elem(&fragments, &fragment, &ports, BPF_ANY);
		return 0;
	}
	found = bpf_map_lookup_elem(&fragments, &fragment);
	if (!found)
		return -1;
	key->source_port = found->source_port;
	key->destination_port = found->destination_port;
	packet->is_tail = 1;
	return 0;
}

static __always_inline int is_icmp_error(__u8 family, __u8 type)
{
	if (family == FAMILY_IPV6)
		return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETER_PROBLEM;
}

/* The key becomes that of the answer to the embedded packet. */
static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	struct flow_key *key = &packet->key;
	struct flow_key about = { .family = key->family };
	__u8 type;

	if (bpf_skb_load_bytes(skb, packet->transport, &type, 1) < 0 || !is_icmp_error(key->family, type))
		return -1;
	packet->is_icmp = 1;
	packet->inner = packet->transport + 8;
	if (key->family == FAMILY_IPV4) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, packet->inner, &ip, sizeof(ip)) < 0)
			return -1;
		if (ip.version != 4 || ip.ihl < 5 || (ip.frag_off & bpf_htons(IPV4_OFFSET)))
			return -1;
		packet->inner_transport = packet->inner + ip.ihl * 4;
		about.protocol = ip.protocol;
		about.source[0] = ip.saddr;
		about.destination[0] = ip.daddr;
	} else {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, packet->inner, &ip, sizeof(ip)) < 0)
			return -1;
		packet->inner_transport = packet->inner + sizeof(ip);
		about.protocol = ip.nexthdr;
		__builtin_memcpy(about.source, &ip.saddr, 16);
		__builtin_memcpy(about.destination, &ip.daddr, 16);
	}
	if (about.protocol != IPPROTO_TCP && about.protocol != IPPROTO_UDP)
		return -1;
	if (parse_ports(skb, packet->inner_transport, &about, 0) < 0)
		return -1;
	__builtin_memcpy(key->source, about.destination, 16);
	__builtin_memcpy(key->destination, about.source, 16);
	key->source_port = about.destination_port;
	key->destination_port = about.source_port;
	key->protocol = about.protocol;
	return 0;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct flow_key *key = &packet->key;
	struct iphdr ip;
	__u16 fragment;

	if (load(skb, NETWORK, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
		return -1;
	key->family = FAMILY_IPV4;
	key->protocol = ip.protocol;
	key->source[0] = ip.saddr;
	key->destination[0] = ip.daddr;
	packet->transport = NETWORK + ip.ihl * 4;
	packet->bytes = bpf_ntohs(ip.tot_len);
	packet->hops = ip.ttl;
	packet->service_type = ip.tos;
	fragment = bpf_ntohs(ip.frag_off);
	packet->may_fragment = !(fragment & IPV4_DONT_FRAGMENT);
	if (ip.protocol == IPPROTO_ICMP)
		return fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET) ? -1 : parse_icmp(skb, packet);
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP)
		return -1;
	if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET))
		return parse_fragment(skb, packet, ip.id, fragment & IPV4_OFFSET);
	return parse_ports(skb, packet->transport, key, packet);
}

/* Of the extension headers only that of fragments is read; a packet with another one is the stack's. */
static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct flow_key *key = &packet->key;
	struct ipv6_fragment fragment;
	struct ipv6hdr ip;

	if (load(skb, NETWORK, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return -1;
	key->family = FAMILY_IPV6;
	key->protocol = ip.nexthdr;
	__builtin_memcpy(key->source, &ip.saddr, 16);
	__builtin_memcpy(key->destination, &ip.daddr, 16);
	packet->transport = NETWORK + sizeof(ip);
	packet->bytes = sizeof(ip) + bpf_ntohs(ip.payload_len);
	packet->hops = ip.hop_limit;
	packet->service_type = ip.priority << 4 | ip.flow_lbl[0] >> 4;
	if (ip.nexthdr == IPPROTO_ICMPV6)
		return parse_icmp(skb, packet);
	if (ip.nexthdr == NEXT_FRAGMENT) {
		if (bpf_skb_load_bytes(skb, packet->transport, &fragment, sizeof(fragment)) < 0)
			return -1;
		if (fragment.next != IPPROTO_TCP && fragment.next != IPPROTO_UDP)
			return -1;
		key->protocol = fragment.next;
		packet->transport += sizeof(fragment);
		return parse_fragment(skb, packet, fragment.id, bpf_ntohs(fragment.offset) >> 3);
	}
	if (ip.nexthdr != IPPROTO_TCP && ip.nexthdr != IPPROTO_UDP)
		return -1;
	return parse_ports(skb, packet->transport, key, packet);
}

__noinline int parse(struct __sk_buff *skb, struct packet *packet)
{
	if (!packet)
		return -1;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, packet);
	return -1;
}

#endif
