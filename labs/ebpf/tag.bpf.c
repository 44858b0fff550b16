// SPDX-License-Identifier: GPL-2.0
/* Frames leave with a VLAN's tag (802.1Q), on kernels that have no VLAN interfaces. For tests. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

static __always_inline int push(struct __sk_buff *skb, __u16 tag)
{
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_OK;
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), tag) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
}

/* The tag of no VLAN, which only tells a priority. */
SEC("tc")
int priority(struct __sk_buff *skb)
{
	return push(skb, 5 << 13);
}

SEC("tc")
int vlan(struct __sk_buff *skb)
{
	return push(skb, 7);
}
