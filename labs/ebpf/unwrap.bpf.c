// SPDX-License-Identifier: GPL-2.0
/*
 * A real server behind a tunnel (IPIP, GRE, GUE), on kernels that have none of these: takes the outer headers off, where
 * they are as the kernel's own tunnels ask for. For tests.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define GUE_PORT 6080
#define NETWORK sizeof(struct ethhdr)

struct outer {
	__u8 protocol;
	__u32 bytes, content;
};

/* False when a length or the header's checksum is wrong; what is still to be cut has the lengths of its first piece. */
static __always_inline int read_outer(struct __sk_buff *skb, struct outer *outer)
{
	__u32 there = skb->len - NETWORK;

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, NETWORK, &ip, sizeof(ip)) < 0)
			return 0;
		outer->protocol = ip.nexthdr;
		outer->bytes = sizeof(ip);
		outer->content = bpf_ntohs(ip.payload_len);
	} else {
		struct iphdr ip;
		__u32 sum;

		if (bpf_skb_load_bytes(skb, NETWORK, &ip, sizeof(ip)) < 0)
			return 0;
		sum = bpf_csum_diff(0, 0, (__u32 *)&ip, sizeof(ip), 0);
		sum = (sum & 0xffff) + (sum >> 16);
		if (((sum + (sum >> 16)) & 0xffff) != 0xffff)
			return 0;
		outer->protocol = ip.protocol;
		outer->bytes = sizeof(ip);
		outer->content = bpf_ntohs(ip.tot_len) - sizeof(ip);
	}
	return skb->gso_size || outer->bytes + outer->content == there;
}

SEC("tc")
int unwrap(struct __sk_buff *skb)
{
	struct outer outer = {};

	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_OK;
	if (!read_outer(skb, &outer))
		return TC_ACT_SHOT;
	if (outer.protocol == IPPROTO_GRE) {
		__be32 gre;

		if (bpf_skb_load_bytes(skb, NETWORK + outer.bytes, &gre, sizeof(gre)) < 0 || (gre & bpf_htonl(0xffff0000)))
			return TC_ACT_SHOT;
		outer.bytes += sizeof(gre);
	} else if (outer.protocol == IPPROTO_UDP) {
		struct udphdr udp;

		if (bpf_skb_load_bytes(skb, NETWORK + outer.bytes, &udp, sizeof(udp)) < 0)
			return TC_ACT_SHOT;
		if (udp.dest != bpf_htons(GUE_PORT))
			return TC_ACT_OK;
		if (udp.check || (!skb->gso_size && bpf_ntohs(udp.len) != outer.content))
			return TC_ACT_SHOT;
		outer.bytes += sizeof(udp) + 4;
	} else if (outer.protocol != IPPROTO_IPIP && outer.protocol != IPPROTO_IPV6) {
		return TC_ACT_OK;
	}
	bpf_skb_adjust_room(skb, -(__s32)outer.bytes, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	return TC_ACT_OK;
}
