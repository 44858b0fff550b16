/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way ahead of the stack (XDP): frames of connections that stand go on to their real servers by direct routing or a
 * tunnel before the kernel has made packets of them. Only what is simple goes this way, by a route that a packet before
 * it has found (route.h); all else goes on to director_in, and of it nothing has been changed or counted here.
 */
#ifndef BATON_EXPRESS_H
#define BATON_EXPRESS_H

#include "connection.h"
#include "send.h"

/* The interfaces that this program is at, by number: these take frames as well as they give them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

static __always_inline int is_simple_ipv4(const struct iphdr *ip, struct packet *packet)
{
	__u16 fragment = bpf_ntohs(ip->frag_off);

	packet->key.family = FAMILY_IPV4;
	packet->key.protocol = ip->protocol;
	packet->key.source[0] = ip->saddr;
	packet->key.destination[0] = ip->daddr;
	packet->transport = NETWORK + sizeof(*ip);
	packet->bytes = bpf_ntohs(ip->tot_len);
	packet->hops = ip->ttl;
	packet->service_type = ip->tos;
	packet->may_fragment = !(fragment & IPV4_DONT_FRAGMENT);
	return ip->version == 4 && ip->ihl == 5 && !(fragment & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET));
}

static __always_inline int is_simple_ipv6(const struct ipv6hdr *ip, struct packet *packet)
{
	packet->key.family = FAMILY_IPV6;
	packet->key.protocol = ip->nexthdr;
	__builtin_memcpy(packet->key.source, &ip->saddr, 16);
	__builtin_memcpy(packet->key.destination, &ip->daddr, 16);
	packet->transport = NETWORK + sizeof(*ip);
	packet->bytes = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	packet->hops = ip->hop_limit;
	packet->service_type = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	return ip->version == 6;
}

/* No options, no fragments, no last hop, and nothing that begins a connection or breaks it off. */
static __always_inline int is_simple(struct xdp_md *frame, struct packet *packet)
{
	void *data = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *ipv4 = data + NETWORK;
	struct ipv6hdr *ipv6 = data + NETWORK;
	struct tcphdr *tcp;

	if ((void *)(ipv4 + 1) > end)
		return 0;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		if (!is_simple_ipv4(ipv4, packet))
			return 0;
		tcp = (void *)(ipv4 + 1);
	} else {
		if (ethernet->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ipv6 + 1) > end || !is_simple_ipv6(ipv6, packet))
			return 0;
		tcp = (void *)(ipv6 + 1);
	}
	if ((void *)tcp + sizeof(struct udphdr) > end || packet->hops <= 1 || data + NETWORK + packet->bytes > end)
		return 0;
	packet->key.source_port = tcp->source;
	packet->key.destination_port = tcp->dest;
	if (packet->key.protocol != IPPROTO_TCP)
		return packet->key.protocol == IPPROTO_UDP;
	if ((void *)(tcp + 1) > end)
		return 0;
	packet->tcp_flags = ((__u8 *)tcp)[13];
	packet->tcp_event = event_of(packet->tcp_flags);
	return packet->tcp_event == EVENT_ACK || packet->tcp_event == EVENT_FIN;
}

static __always_inline int is_to(struct xdp_md *frame, const struct port *port)
{
	void *data = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
	const __u16 *address = data, *own = (const __u16 *)port->address;

	return data + ETH_ALEN <= end && address[0] == own[0] && address[1] == own[1] && address[2] == own[2];
}

static __always_inline void put_addresses(struct ethhdr *ethernet, const struct route *route, __be16 protocol)
{
	__builtin_memcpy(ethernet->h_dest, route->to, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, route->from, ETH_ALEN);
	ethernet->h_proto = protocol;
}

/* Direct routing: one hop less, and on to the neighbour. */
static __always_inline int pass_on(struct xdp_md *frame, const struct packet *packet, const struct route *route)
{
	void *data = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
	struct ethhdr *ethernet = data;
	struct ipv6hdr *ipv6 = data + NETWORK;
	struct iphdr *ipv4 = data + NETWORK;

	if ((void *)(ipv4 + 1) > end)
		return -1;
	put_addresses(ethernet, route, ethernet->h_proto);
	if (packet->key.family == FAMILY_IPV6) {
		if ((void *)(ipv6 + 1) > end)
			return -1;
		ipv6->hop_limit--;
	} else {
		ipv4->ttl--;
		ipv4->check = checksum_after(ipv4->check, bpf_htons(0xfeff));
	}
	return 0;
}

static __always_inline int wrap(struct xdp_md *frame, const struct packet *packet, const struct server *server,
				const struct route *route)
{
	void *data, *end, *content;

	if (bpf_xdp_adjust_head(frame, -(int)tunnel_bytes(server)) < 0)
		return -1;
	data = (void *)(long)frame->data;
	end = (void *)(long)frame->data_end;
	if (server->family == FAMILY_IPV6) {
		struct ipv6hdr *ip = data + NETWORK;

		content = ip + 1;
		if (content > end)
			return -1;
		put_addresses(data, route, bpf_htons(ETH_P_IPV6));
		outer_ipv6(ip, packet, server);
	} else {
		struct iphdr ip;

		content = data + NETWORK + sizeof(ip);
		if (content > end)
			return -1;
		put_addresses(data, route, bpf_htons(ETH_P_IP));
		outer_ipv4(&ip, packet, server);
		__builtin_memcpy(data + NETWORK, &ip, sizeof(ip));
	}
	if (server->tunnel == TUNNEL_GRE) {
		if (content + sizeof(struct gre) > end)
			return -1;
		*(struct gre *)content = gre_of(packet);
	}
	return 0;
}

SEC("xdp")
int director_express(struct xdp_md *frame)
{
	struct settings *now = current_settings();
	struct vouched *vouched = current_vouched();
	struct totals *sums = current_totals();
	struct packet packet = {};
	struct route route = {};
	__u32 came_by = frame->ingress_ifindex, slot, bytes, question;
	struct server *server;
	struct flow *flow;
	struct port *port;
	__u8 forwarding;
	__u64 at;

	port = bpf_map_lookup_elem(&ports, &came_by);
	if (!now || !vouched || !sums || !port || !is_to(frame, port) || !is_simple(frame, &packet))
		return XDP_PASS;
	flow = bpf_map_lookup_elem(&flows, &packet.key);
	if (!flow || flow->kind != FLOW_CONNECTION)
		return XDP_PASS;
	at = bpf_ktime_get_coarse_ns();
	slot = flow->server;
	forwarding = flow->forwarding;
	server = server_at(slot);
	if (at >= flow->expires || !server || server->use != SERVER_INSTALLED)
		return XDP_PASS;
	bytes = packet.bytes;
	/* GUE's port is made of a number that only packets have. */
	if (forwarding == FORWARD_TUNNEL && server->tunnel != TUNNEL_GUE)
		bytes += tunnel_bytes(server);
	else if (forwarding != FORWARD_DIRECT)
		return XDP_PASS;
	question = question_of(came_by, &packet, server->address);
	if (!take_kept(flow, question, bytes, at, vouched, &route))
		return XDP_PASS;
	if (route.interface != came_by && !bpf_map_lookup_elem(&ports, &route.interface))
		return XDP_PASS;
	if (!follow(flow, &packet, DIRECTION_IN, server, now, sums, at))
		return XDP_PASS;
	count_packet(server, slot, &packet, 1);
	if (forwarding == FORWARD_TUNNEL ? wrap(frame, &packet, server, &route) < 0 : pass_on(frame, &packet, &route) < 0)
		return XDP_DROP;
	return route.interface == came_by ? XDP_TX : bpf_redirect(route.interface, 0);
}

#endif
