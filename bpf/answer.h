/* SPDX-License-Identifier: GPL-2.0 */
/* ICMP errors to the sender of a packet: it becomes the error that tells of it, and goes back the way it came. */
#ifndef BATON_ANSWER_H
#define BATON_ANSWER_H

#include "encapsulate.h"
#include "route.h"

/* Of the packet itself: its network header without options, and the first 20 bytes of what follows. */
#define TOLD_TRANSPORT 20
#define ANSWER_HOPS 64

/* Beside the verdicts of tc: the sender is to be told. */
enum problem { PROBLEM_NOBODY = 100, PROBLEM_TOO_BIG, PROBLEM_HOPS };

static __always_inline void name_problem(struct icmp *icmp, __u8 family, int problem)
{
	if (problem == PROBLEM_TOO_BIG) {
		icmp->type = family == FAMILY_IPV6 ? ICMP6_TOO_BIG : ICMP_UNREACHABLE;
		icmp->code = family == FAMILY_IPV6 ? 0 : ICMP_CODE_TOO_BIG;
	} else if (problem == PROBLEM_HOPS) {
		icmp->type = family == FAMILY_IPV6 ? ICMP6_TIME_EXCEEDED : ICMP_TIME_EXCEEDED;
	} else {
		icmp->type = family == FAMILY_IPV6 ? ICMP6_UNREACHABLE : ICMP_UNREACHABLE;
		icmp->code = family == FAMILY_IPV6 ? ICMP6_CODE_PORT : ICMP_CODE_PORT;
	}
}

static __always_inline __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline int turn_around(struct __sk_buff *skb)
{
	struct ethhdr ethernet;
	__u8 address[ETH_ALEN];

	if (bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)) < 0)
		return -1;
	__builtin_memcpy(address, ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet.h_dest, ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, address, ETH_ALEN);
	return bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
}

static __always_inline int answer_ipv4(struct __sk_buff *skb, const struct packet *packet, int problem)
{
	struct {
		struct iphdr ip;
		struct icmp icmp;
		__u8 told[sizeof(struct iphdr) + TOLD_TRANSPORT];
	} head = {};

	if (packet->transport != NETWORK + sizeof(struct iphdr))
		return -1;
	if (bpf_skb_change_tail(skb, NETWORK + sizeof(head.told), 0) < 0 ||
	    bpf_skb_load_bytes(skb, NETWORK, head.told, sizeof(head.told)) < 0 ||
	    bpf_skb_adjust_room(skb, sizeof(head.ip) + sizeof(head.icmp), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET) < 0)
		return -1;
	head.ip.version = 4;
	head.ip.ihl = 5;
	head.ip.tos = 0xc0;
	head.ip.tot_len = bpf_htons(sizeof(head));
	head.ip.ttl = ANSWER_HOPS;
	head.ip.protocol = IPPROTO_ICMP;
	head.ip.saddr = packet->key.destination[0];
	head.ip.daddr = packet->key.source[0];
	head.ip.check = ipv4_checksum(&head.ip);
	name_problem(&head.icmp, FAMILY_IPV4, problem);
	head.icmp.mtu = bpf_htonl(packet->mtu);
	head.icmp.checksum = folded(bpf_csum_diff(0, 0, (__u32 *)&head.icmp, sizeof(head.icmp) + sizeof(head.told), 0));
	return bpf_skb_store_bytes(skb, NETWORK, &head, sizeof(head), BPF_F_INVALIDATE_HASH);
}

static __always_inline int answer_ipv6(struct __sk_buff *skb, const struct packet *packet, int problem)
{
	struct {
		struct ipv6hdr ip;
		struct icmp icmp;
		__u8 told[sizeof(struct ipv6hdr) + TOLD_TRANSPORT];
	} head = {};
	const __u32 payload = sizeof(head) - sizeof(head.ip);
	struct {
		__be32 bytes, next;
	} pseudo = { bpf_htonl(payload), bpf_htonl(IPPROTO_ICMPV6) };
	__u32 sum;

	if (packet->transport != NETWORK + sizeof(struct ipv6hdr))
		return -1;
	if (bpf_skb_change_tail(skb, NETWORK + sizeof(head.told), 0) < 0 ||
	    bpf_skb_load_bytes(skb, NETWORK, head.told, sizeof(head.told)) < 0 ||
	    bpf_skb_adjust_room(skb, sizeof(head.ip) + sizeof(head.icmp), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET) < 0)
		return -1;
	head.ip.version = 6;
	head.ip.payload_len = bpf_htons(payload);
	head.ip.nexthdr = IPPROTO_ICMPV6;
	head.ip.hop_limit = ANSWER_HOPS;
	__builtin_memcpy(&head.ip.saddr, packet->key.destination, 16);
	__builtin_memcpy(&head.ip.daddr, packet->key.source, 16);
	name_problem(&head.icmp, FAMILY_IPV6, problem);
	head.icmp.mtu = bpf_htonl(packet->mtu);
	sum = bpf_csum_diff(0, 0, (__u32 *)&pseudo, sizeof(pseudo), 0);
	sum = bpf_csum_diff(0, 0, (__u32 *)&head.ip.saddr, 32, sum);
	sum = bpf_csum_diff(0, 0, (__u32 *)&head.icmp, payload, sum);
	head.icmp.checksum = folded(sum);
	return bpf_skb_store_bytes(skb, NETWORK, &head, sizeof(head), BPF_F_INVALIDATE_HASH);
}

/* By the director's own route: the interface that it came by first is not known any more. */
static __always_inline int send_back(struct __sk_buff *skb, const struct packet *packet)
{
	const struct flow_key *key = &packet->key;
	struct route route = {};

	ask_kernel(skb, packet, key->family, key->destination, key->source, 0, 0, &route);
	if (route.way == WAY_HERE)
		return bpf_redirect_neigh(LOOPBACK, 0, 0, 0);
	return route.way == WAY_OUT || route.way == WAY_NEIGHBOUR ? bpf_redirect_neigh(route.interface, 0, 0, 0) : TC_ACT_SHOT;
}

/* Where it cannot be told, it is dropped. */
__noinline int tell_sender(struct __sk_buff *skb, const struct packet *packet, int problem)
{
	int failed;

	if (!packet || packet->is_icmp || packet->is_tail)
		return TC_ACT_SHOT;
	if (packet->key.family == FAMILY_IPV6)
		failed = answer_ipv6(skb, packet, problem);
	else
		failed = answer_ipv4(skb, packet, problem);
	if (failed || turn_around(skb) < 0)
		return TC_ACT_SHOT;
	if (packet->origin == ORIGIN_STEERED)
		return send_back(skb, packet);
	return bpf_redirect(skb->ifindex, packet->origin == ORIGIN_LEAVING ? BPF_F_INGRESS : 0);
}

#endif
