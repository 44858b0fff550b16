// SPDX-License-Identifier: GPL-2.0
/* A real server behind a tunnel, on kernels without ipip: takes the outer header off. For tests. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int unwrap(struct __sk_buff *skb)
{
	__u32 room = skb->protocol == bpf_htons(ETH_P_IPV6) ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	__u32 at = skb->protocol == bpf_htons(ETH_P_IPV6) ? __builtin_offsetof(struct ipv6hdr, nexthdr)
							  : __builtin_offsetof(struct iphdr, protocol);
	__u8 protocol = 0;

	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + at, &protocol, 1) < 0)
		return TC_ACT_OK;
	if (protocol != IPPROTO_IPIP && protocol != IPPROTO_IPV6)
		return TC_ACT_OK;
	bpf_skb_adjust_room(skb, -(__s32)room, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	return TC_ACT_OK;
}
