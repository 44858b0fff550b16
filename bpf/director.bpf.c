// SPDX-License-Identifier: GPL-2.0
/*
 * The director's packet path: connections that stand, replies of real servers, new connections; the order is that of
 * ip_vs_core.c. What is not ours goes on as if nobody had looked.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "adopt.h"
#include "express.h"
#include "send.h"

char LICENSE[] SEC("license") = "GPL";

/* Whether a packet fits its way; what does not is the stack's to take to pieces, or the sender is to be told. */
static __always_inline int fits(struct packet *packet, struct route *route, __u32 overhead)
{
	if (route->way != WAY_TOO_BIG)
		return 1;
	if (packet->key.family == FAMILY_IPV6 || !packet->may_fragment) {
		packet->mtu = route->mtu - overhead;
		return 0;
	}
	route->way = WAY_STACK;
	return 1;
}

/*
 * The director's own packet, for a server that is not beyond an interface. What comes by lo has a route that leads up the
 * stack already; so it is only to be let go on where its server is here, and not merely nowhere.
 */
static __always_inline int stay(const struct packet *packet, const struct server *server, const struct route *route)
{
	if (route->way != WAY_HERE || server->interface != LOOPBACK)
		return TC_ACT_SHOT;
	return packet->origin == ORIGIN_LOOPBACK ? TC_ACT_OK : send_here();
}

/* On to its real server: a verdict, or a problem. */
__noinline int forward(struct __sk_buff *skb, struct packet *packet, struct flow *standing, __u64 at)
{
	struct settings *now;
	struct flow_key other;
	const struct flow_key *key;
	struct server *server;
	struct route route = {};
	struct head head;
	__u32 bytes, overhead = 0;
	__u8 forwarding;

	if (!packet || !standing)
		return TC_ACT_SHOT;
	/* Its memory may be another's before we are done. */
	forwarding = standing->forwarding;
	other = standing->other;
	server = server_at(standing->server);
	if (!server)
		return TC_ACT_SHOT;
	key = &packet->key;
	bytes = wire_bytes(skb, packet);
	if (forwarding == FORWARD_LOCAL)
		return TC_ACT_UNSPEC;
	if (forwarding == FORWARD_TUNNEL) {
		now = current_settings();
		if (now && !now->pmtu_disc)
			packet->may_fragment = 1;
		overhead = tunnel_bytes(server);
		find_route(skb, packet, standing, at, server->family, server->source, server->address, bytes + overhead,
			   server->interface, &route);
	} else {
		find_route(skb, packet, standing, at, key->family, key->source, server->address, bytes, server->interface,
			   &route);
	}
	if (!fits(packet, &route, overhead))
		return PROBLEM_TOO_BIG;
	if (route.way == WAY_HERE && forwarding != FORWARD_MASQ)
		return TC_ACT_UNSPEC;
	if (route.way != WAY_HERE && packet->hops <= 1)
		return PROBLEM_HOPS;
	if (untag(skb) < 0)
		return TC_ACT_SHOT;
	if (forwarding == FORWARD_TUNNEL) {
		if (encapsulate(skb, packet, server) < 0 || put_ethernet(skb, &route) < 0)
			return TC_ACT_SHOT;
		return send(&route);
	}
	/* The stack would keep it: its address is the director's own. */
	if (route.way == WAY_STACK && forwarding == FORWARD_DIRECT)
		return TC_ACT_SHOT;
	if (take_head(skb, key->family, &head) < 0)
		return TC_ACT_SHOT;
	if (route.way != WAY_HERE)
		take_hop(&head, key->family);
	if (forwarding == FORWARD_DIRECT) {
		if (put_head(skb, key->family, &head, &route) < 0)
			return TC_ACT_SHOT;
		if (route.neighbour.nh_family == 0) {
			route.neighbour.nh_family = address_family(key->family);
			__builtin_memcpy(route.neighbour.ipv6_nh, server->address, 16);
		}
		return send(&route);
	}
	if (rewrite_end(skb, packet, &head, &route, SIDE_DESTINATION, other.source, other.source_port) < 0)
		return TC_ACT_SHOT;
	if (packet->origin != ORIGIN_WIRE && route.way != WAY_OUT && route.way != WAY_NEIGHBOUR)
		return stay(packet, server, &route);
	return send(&route);
}

/*
 * What a real server sends back, or an ICMP error about what was sent to it: as if from the service. `is_leaving`: on its
 * way out already, from a server on the director itself.
 */
__noinline int reply(struct __sk_buff *skb, struct packet *packet, struct flow *found, __u64 at, int is_leaving)
{
	struct flow_key copy, *connection = &copy;
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct route route = { .way = WAY_HERE };
	struct server *server;
	struct flow *flow;
	struct head head;
	__u32 slot;

	if (!packet || !found || !now || !sums)
		return TC_ACT_SHOT;
	copy = found->other;
	flow = bpf_map_lookup_elem(&flows, connection);
	if (!flow || flow->kind != FLOW_CONNECTION)
		return TC_ACT_UNSPEC;
	slot = flow->server;
	server = server_at(slot);
	if (!server || at >= flow->expires)
		return TC_ACT_UNSPEC;
	if (!packet->is_icmp && !follow(flow, packet, DIRECTION_OUT, server, now, sums, at))
		return TC_ACT_UNSPEC;
	count_packet(server, slot, packet, 0);
	if (untag(skb) < 0 || take_head(skb, packet->key.family, &head) < 0)
		return TC_ACT_SHOT;
	if (!is_leaving) {
		find_route(skb, packet, found, at, packet->key.family, connection->destination, connection->source,
			   wire_bytes(skb, packet), 0, &route);
		if (!fits(packet, &route, 0))
			return PROBLEM_TOO_BIG;
	}
	if (route.way != WAY_HERE) {
		if (packet->hops <= 1)
			return PROBLEM_HOPS;
		take_hop(&head, packet->key.family);
	}
	if (rewrite_end(skb, packet, &head, &route, SIDE_SOURCE, connection->destination, connection->destination_port) < 0)
		return TC_ACT_SHOT;
	if (is_leaving)
		return TC_ACT_UNSPEC;
	/* To a client on the director itself. */
	if (route.way == WAY_HERE && packet->origin == ORIGIN_WIRE)
		return send_here();
	return send(&route);
}

/* Of one-packet scheduling: there is no entry, and the next packet goes elsewhere. */
__noinline int forward_once(struct __sk_buff *skb, struct packet *packet, const struct placed *placed, __u64 at)
{
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct server *server;
	struct flow *flow;
	__u32 only = 0;

	if (!packet || !placed || !now || !sums)
		return TC_ACT_SHOT;
	flow = bpf_map_lookup_elem(&once, &only);
	server = server_at(placed->server);
	if (!flow || !server)
		return TC_ACT_SHOT;
	describe(flow, packet, placed, server, now, sums, at);
	flow->hop.generation = NO_GENERATION;
	count_packet(server, placed->server, packet, 1);
	return forward(skb, packet, flow, at);
}

static __always_inline int settle(struct __sk_buff *skb, const struct packet *packet, int verdict)
{
	return verdict >= PROBLEM_NOBODY ? tell_sender(skb, packet, verdict) : verdict;
}

/* Any packet but a reply that leaves: a verdict, or a problem. */
static __always_inline int take(struct __sk_buff *skb, struct packet *packet, struct flow *flow, __u64 at)
{
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct placed placed = {};
	struct server *server = 0;
	__u32 slot = NO_SERVER;

	if (!now || !sums)
		return TC_ACT_UNSPEC;
	if (flow && flow->kind == FLOW_REPLY)
		return reply(skb, packet, flow, at, 0);
	if (flow) {
		slot = flow->server;
		server = server_at(slot);
		if (!server)
			return TC_ACT_SHOT;
		if (at >= flow->expires || is_over(flow, packet, server, now)) {
			end_connection(&packet->key);
			flow = 0;
		} else if (server->use != SERVER_INSTALLED && !packet->is_icmp) {
			if (!now->expire_nodest_conn)
				return TC_ACT_SHOT;
			end_connection(&packet->key);
			flow = 0;
		} else if (!packet->is_icmp && !follow(flow, packet, DIRECTION_IN, server, now, sums, at)) {
			flow = 0;
		}
	}
	if (!flow) {
		if (!may_begin(packet, now) || (packet->origin >= ORIGIN_LOOPBACK && is_answer(&packet->key)))
			return TC_ACT_UNSPEC;
		packet->mark = skb->mark;
		switch (begin(packet, at, &placed)) {
		case BEGUN:
			break;
		case BEGUN_ONCE:
			return forward_once(skb, packet, &placed, at);
		case BEGUN_NOT_OURS:
			return TC_ACT_UNSPEC;
		case BEGUN_NOBODY:
			return PROBLEM_NOBODY;
		default:
			return TC_ACT_SHOT;
		}
		slot = placed.server;
		flow = bpf_map_lookup_elem(&flows, &packet->key);
		server = server_at(slot);
		if (!flow || !server)
			return TC_ACT_SHOT;
	}
	count_packet(server, slot, packet, 1);
	return forward(skb, packet, flow, at);
}

SEC("tc")
int director_in(struct __sk_buff *skb)
{
	struct packet packet = { .origin = skb->ifindex == LOOPBACK ? ORIGIN_LOOPBACK : ORIGIN_WIRE };
	struct flow *flow;

	if (!is_for_us(skb) || parse(skb, &packet) < 0)
		return TC_ACT_UNSPEC;
	flow = bpf_map_lookup_elem(&flows, &packet.key);
	return settle(skb, &packet, take(skb, &packet, flow, bpf_ktime_get_coarse_ns()));
}

/*
 * What a firewall has marked for a service comes from netfilter, by an interface of the director's own
 * (src/engines/ebpf/steering.ts), with one hop less than it had.
 */
SEC("tc")
int director_steered(struct __sk_buff *skb)
{
	struct packet packet = { .origin = ORIGIN_STEERED };
	struct flow *flow;

	if (parse(skb, &packet) < 0 || return_hop(skb, &packet) < 0)
		return TC_ACT_UNSPEC;
	flow = bpf_map_lookup_elem(&flows, &packet.key);
	return settle(skb, &packet, take(skb, &packet, flow, bpf_ktime_get_coarse_ns()));
}

/* So that what is sent on by another interface is not taken for the director's own there. */
#define LEFT 0xba70

/*
 * What the director itself sends: replies of its own servers leave as if from the service, and its programs reach
 * services that are not at an address of its own. What is forwarded has been seen already.
 */
SEC("tc")
int director_out(struct __sk_buff *skb)
{
	struct packet packet = { .origin = ORIGIN_LEAVING };
	struct flow *flow;
	int verdict;
	__u64 at;

	if (skb->ingress_ifindex != 0 || skb->tc_index == LEFT || skb->vlan_present || parse(skb, &packet) < 0)
		return TC_ACT_UNSPEC;
	at = bpf_ktime_get_coarse_ns();
	flow = bpf_map_lookup_elem(&flows, &packet.key);
	if (flow && flow->kind == FLOW_REPLY)
		return reply(skb, &packet, flow, at, 1);
	verdict = settle(skb, &packet, take(skb, &packet, flow, at));
	if (verdict == TC_ACT_REDIRECT)
		skb->tc_index = LEFT;
	return verdict;
}

/* Whether it was ended. */
__noinline int reap_one(__u32 index, __u64 at, int ends_orphans, int ends_unproven)
{
	struct flow_key *asked = bpf_map_lookup_elem(&reaping, &index);
	struct flow_key key;
	struct server *server;
	struct template *template;
	struct flow *flow;
	__u64 number;
	int is_orphan, is_unproven, ended;

	if (!asked)
		return 0;
	key = *asked;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow || flow->kind != FLOW_CONNECTION)
		return 0;
	server = server_at(flow->server);
	is_orphan = ends_orphans && server && server->use != SERVER_INSTALLED;
	is_unproven = ends_unproven && flow->word & WORD_HALF_OPEN;
	if (at < flow->expires && !is_orphan && !is_unproven)
		return 0;
	number = flow->template;
	ended = end_connection(&key);
	/* With the last of its connections, unless one of them has worked. */
	template = number && (is_orphan || is_unproven) ? template_at(number) : 0;
	if (template && (is_orphan || !(template->word & TEMPLATE_ASSURED)))
		end_template(number);
	return ended;
}

/* Its time is up: it ends, or is put off while it has connections. Of a flood nothing is remembered that is of no use. */
__noinline int reap_template(__u32 index, __u64 at, int ends_unproven)
{
	struct flow_key *asked = bpf_map_lookup_elem(&reaping, &index);
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct template *template;
	int is_useless;
	__u64 number;

	if (!asked || !now || !sums)
		return 0;
	number = (__u64)asked->source[1] << 32 | asked->source[0];
	template = template_at(number);
	if (!template)
		return 0;
	is_useless = !(template->word & TEMPLATE_ASSURED) && (ends_unproven || sums->templates > now->most_templates / 2);
	if (at < template->expires && !is_useless)
		return 0;
	if (end_template(number))
		return 1;
	if (at >= template->expires) {
		template->timeout = POSTPONED;
		template->expires = at + POSTPONED;
	}
	return 0;
}

/*
 * Run by the director on keys that it has put into `reaping`, as many as the mark says, or on numbers of templates: ends
 * those that are over.
 */
SEC("tc")
int reap(struct __sk_buff *skb)
{
	struct settings *now = current_settings();
	__u64 at = bpf_ktime_get_coarse_ns();
	__u32 count = skb->mark & (REAP_TEMPLATES - 1);
	int are_templates = skb->mark & REAP_TEMPLATES, are_unproven = skb->mark & REAP_UNPROVEN, ended = 0;

	if (!now)
		return 0;
	for (__u64 index = 0; index < REAP_MOST && index < count; index++)
		ended += are_templates ? reap_template(index, at, are_unproven) :
					 reap_one(index, at, now->expire_nodest_conn, are_unproven);
	return ended;
}

/* Run by the director on what it has put into `adopting`, as much as the mark says: connections, or templates. */
SEC("tc")
int adopt(struct __sk_buff *skb)
{
	__u64 at = bpf_ktime_get_coarse_ns();
	__u32 count = skb->mark & (ADOPT_TEMPLATES - 1);
	int are_templates = skb->mark & ADOPT_TEMPLATES;

	for (__u32 index = 0; index < ADOPT_MOST && index < count; index++) {
		__u32 own = index;
		struct adoption *asked = bpf_map_lookup_elem(&adopting, &own);

		if (asked)
			asked->adopted = are_templates ? adopt_template(index, at) : adopt_connection(index, at);
	}
	return count;
}
