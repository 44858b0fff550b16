// SPDX-License-Identifier: GPL-2.0
/* Lets all frames through: an end of a pair of veth takes frames of XDP only when it runs a program itself. For tests. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int pass(struct xdp_md *frame)
{
	return XDP_PASS;
}
