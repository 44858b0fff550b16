/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections: begun, followed through their states, ended; and what servers count of them. All changes to a connection's
 * word are compare-and-exchange, and who made one counts it: so the counts are exact whichever processors take part.
 */
#ifndef BATON_CONNECTION_H
#define BATON_CONNECTION_H

#include "schedule.h"
#include "template.h"

#define WORD_ATTEMPTS 8
/* tcpStates in src/lvs/connection-state.ts. */
#define STATE_ESTABLISHED 1
/* Until its first packet has been looked at: of one that an ICMP error tells of. */
#define FIRST_TIMEOUT (3 * SECOND)

/* Closed when its connections reach the upper threshold, open again below the lower one, or three quarters of the upper. */
static __always_inline void mind_thresholds(struct server *server)
{
	__u32 upper = server->upper;
	__u32 connections, reopens_below;

	if (upper == 0)
		return;
	connections = *(volatile __u32 *)&server->active + *(volatile __u32 *)&server->inactive;
	reopens_below = server->lower > 0 ? server->lower : upper - upper / 4;
	if (connections >= upper)
		server->overloaded = 1;
	else if (connections < reopens_below)
		server->overloaded = 0;
}

static __always_inline void count_states(struct server *server, struct totals *sums, __u64 before, __u64 after)
{
	if (!(before & WORD_ACTIVE) && (after & WORD_ACTIVE)) {
		__sync_fetch_and_add(&server->active, 1);
		__sync_fetch_and_add(&server->inactive, -1);
	} else if ((before & WORD_ACTIVE) && !(after & WORD_ACTIVE)) {
		__sync_fetch_and_add(&server->inactive, 1);
		__sync_fetch_and_add(&server->active, -1);
	}
	if ((before ^ after) & WORD_HALF_OPEN)
		__sync_fetch_and_add(&sums->half_open, after & WORD_HALF_OPEN ? 1LL : -1LL);
}

static __always_inline __u64 word_in_state(const struct settings *now, __u64 word, __u8 state)
{
	word &= ~(WORD_STATE | WORD_ACTIVE | WORD_HALF_OPEN);
	if (now->active_states >> (state & 15) & 1)
		word |= WORD_ACTIVE;
	if (now->half_open_states >> (state & 15) & 1)
		word |= WORD_HALF_OPEN;
	return word | state;
}

static __always_inline __u8 next_state(const struct settings *now, __u64 word, __u8 event, int direction)
{
	__u32 at;

	if (direction == DIRECTION_IN && word & WORD_INPUT_ONLY)
		direction = DIRECTION_INPUT_ONLY;
	at = (direction * EVENTS + event) * STATES + (word & 15);
	return at < sizeof(now->next_states) ? now->next_states[at] : 0;
}

static __always_inline __u64 timeout_of(const struct settings *now, struct totals *sums, __u64 word, __u8 protocol)
{
	if (protocol != IPPROTO_TCP)
		return now->udp_timeout;
	if (word & WORD_HALF_OPEN && sums->half_open > now->most_half_open / 2)
		return now->hurried_timeout;
	return now->tcp_timeouts[word & (STATES - 1)];
}

/* Whether its template is assured by this change. */
static __always_inline int becomes_assured(__u64 before, __u64 after, __u8 protocol)
{
	if (protocol != IPPROTO_TCP)
		return (before ^ after) & WORD_ANSWERED ? 1 : 0;
	return (after & WORD_STATE) == STATE_ESTABLISHED && (before & WORD_STATE) != STATE_ESTABLISHED;
}

/* The packet's effect on the connection's state, and on how long it stands. False when it has ended meanwhile. */
static __always_inline int follow(struct flow *flow, const struct packet *packet, int direction, struct server *server,
				  const struct settings *now, struct totals *sums, __u64 at)
{
	__u64 before = *(volatile __u64 *)&flow->word, after = before, expires;

	for (int attempt = 0; attempt < WORD_ATTEMPTS; attempt++) {
		__u64 seen;

		if (before & WORD_DEAD)
			return 0;
		after = direction == DIRECTION_OUT ? before & ~WORD_INPUT_ONLY : before;
		if (direction == DIRECTION_OUT && packet->key.protocol != IPPROTO_TCP)
			after |= WORD_ANSWERED;
		if (packet->key.protocol == IPPROTO_TCP && !packet->is_tail)
			after = word_in_state(now, after, next_state(now, after, packet->tcp_event, direction));
		if (after == before)
			break;
		seen = __sync_val_compare_and_swap(&flow->word, before, after);
		if (seen == before) {
			count_states(server, sums, before, after);
			if (flow->template && becomes_assured(before, after, packet->key.protocol))
				assure_template(flow->template);
			break;
		}
		before = seen;
	}
	expires = at + timeout_of(now, sums, after, packet->key.protocol);
	/* The clock is coarse: most packets of a busy connection need not write, which other processors would wait for. */
	if (flow->expires != expires)
		flow->expires = expires;
	return 1;
}

/* Ends a connection, once, whoever else tries. */
__noinline int end_connection(const struct flow_key *asked)
{
	struct totals *sums = current_totals();
	struct flow_key copy, other, *key = &copy;
	struct flow *flow, *reply;
	struct server *server;
	__u64 before, template;
	int is_ours = 0;

	if (!asked || !sums)
		return 0;
	copy = *asked;
	flow = bpf_map_lookup_elem(&flows, key);
	if (!flow || flow->kind != FLOW_CONNECTION)
		return 0;
	server = server_at(flow->server);
	other = flow->other;
	template = flow->template;
	before = *(volatile __u64 *)&flow->word;
	for (int attempt = 0; attempt < WORD_ATTEMPTS; attempt++) {
		__u64 seen;

		if (before & WORD_DEAD)
			return 0;
		seen = __sync_val_compare_and_swap(&flow->word, before, before | WORD_DEAD);
		if (seen == before) {
			is_ours = 1;
			break;
		}
		before = seen;
	}
	if (!is_ours)
		return 0;
	if (flow->forwarding == FORWARD_MASQ) {
		reply = bpf_map_lookup_elem(&flows, &other);
		if (reply && reply->kind == FLOW_REPLY && reply->other.destination_port == key->destination_port &&
		    reply->other.destination[0] == key->destination[0] && reply->other.destination[3] == key->destination[3])
			bpf_map_delete_elem(&flows, &other);
	}
	bpf_map_delete_elem(&flows, key);
	if (server) {
		__sync_fetch_and_add(before & WORD_ACTIVE ? &server->active : &server->inactive, -1);
		mind_thresholds(server);
	}
	if (before & WORD_HALF_OPEN)
		__sync_fetch_and_add(&sums->half_open, -1);
	__sync_fetch_and_add(&sums->connections, -1);
	if (template)
		release_template(template);
	return 1;
}

static __always_inline void count_connection(__u32 slot)
{
	struct statistics *own = bpf_map_lookup_elem(&counters, &slot);

	if (own)
		own->connections++;
}

/* Nothing is counted for a server that has been deleted. */
static __always_inline void count_packet(const struct server *server, __u32 slot, const struct packet *packet, int is_in)
{
	struct statistics *own;

	if (server->use != SERVER_INSTALLED)
		return;
	own = bpf_map_lookup_elem(&counters, &slot);
	if (!own)
		return;
	if (is_in) {
		own->packets_in++;
		own->bytes_in += packet->bytes;
	} else {
		own->packets_out++;
		own->bytes_out += packet->bytes;
	}
}

static __always_inline int may_begin(const struct packet *packet, const struct settings *now)
{
	if (packet->is_tail || packet->key.source_port == bpf_htons(FTP_DATA_PORT))
		return 0;
	if (packet->is_icmp)
		return now->schedule_icmp != 0;
	if (packet->key.protocol != IPPROTO_TCP)
		return 1;
	return !(packet->tcp_flags & TCP_RST) && (packet->tcp_flags & TCP_SYN || now->sloppy_tcp);
}

/* Whether the entry in the way of a packet that begins a connection is to give way. */
static __always_inline int is_over(const struct flow *flow, const struct packet *packet, const struct server *server,
				   const struct settings *now)
{
	__u8 state = flow->word & 15;

	if (packet->is_icmp || packet->is_tail || packet->key.protocol != IPPROTO_TCP || packet->tcp_event != EVENT_SYN)
		return 0;
	if (now->expire_nodest_conn && server->weight == 0)
		return 1;
	if (flow->template)
		return 0;
	if (now->reuse_states >> state & 1)
		return 1;
	return flow->word & WORD_INPUT_ONLY && now->reuse_input_only_states >> state & 1;
}

enum begun { BEGUN, BEGUN_ONCE, BEGUN_NOT_OURS, BEGUN_NOBODY, BEGUN_DROP };

/* Where a new connection is to go. */
struct placed {
	/* Number of the template that it is under, held for it; 0: of none. */
	__u64 template;
	__u32 server;
	/* The connection's own; twos draws by it. */
	__u32 number;
	__u16 port;
	__u16 unused[3];
};

/*
 * The server of a new connection: by its client's template, or by the scheduler, and then remembered. `placed` gets
 * the number of the template that it is under, held for it.
 */
static __always_inline __u32 choose(const struct service *service, const struct packet *packet, __u64 at, struct placed *placed)
{
	__u64 *template = &placed->template;
	struct flow_key name = {};
	__u32 slot = NO_SERVER;

	if (service->timeout == 0)
		return service->flags & SERVICE_MARK || is_own_port(service, &packet->key) ?
			       pick(service, &packet->key, at, placed->number) : NO_SERVER;
	name_template(service, &packet->key, packet->mark, &name);
	*template = recall(&name, at, &slot);
	if (*template)
		return slot;
	slot = pick(service, &packet->key, at, placed->number);
	if (slot != NO_SERVER)
		*template = remember(&name, at, service->timeout, slot);
	return slot;
}

/* Nobody takes it. Other ports of an address that has FTP are not ours. */
static __always_inline int leave(const struct service *service, const struct packet *packet)
{
	if (!(service->flags & SERVICE_MARK) && service->port == bpf_htons(FTP_PORT) && !is_own_port(service, &packet->key))
		return BEGUN_NOT_OURS;
	return packet->is_icmp ? BEGUN_DROP : BEGUN_NOBODY;
}

/* The port at the server: with persistence also the packet's own where that is not the service's. */
static __always_inline __u16 server_port(const struct service *service, const struct server *server, const struct flow_key *key)
{
	if (server->port == 0 || (service->timeout && !is_own_port(service, key)))
		return key->destination_port;
	return server->port;
}

/* Its server as source, its client as destination. */
static __always_inline void name_ends(struct flow *flow, const struct flow_key *key, const struct server *server, __u16 port)
{
	__builtin_memcpy(flow->other.source, server->address, 16);
	__builtin_memcpy(flow->other.destination, key->source, 16);
	flow->other.source_port = port;
	flow->other.destination_port = key->source_port;
	flow->other.protocol = key->protocol;
	flow->other.family = server->family;
}

/* What the connection is to be, by its first packet. */
static __always_inline void describe(struct flow *flow, const struct packet *packet, const struct placed *placed,
				     const struct server *server, const struct settings *now, struct totals *sums, __u64 at)
{
	const struct flow_key *key = &packet->key;
	__u64 word = (__u64)placed->number << 32;

	if (server->forwarding != FORWARD_MASQ)
		word |= WORD_INPUT_ONLY;
	if (key->protocol == IPPROTO_TCP && !packet->is_icmp)
		word = word_in_state(now, word, next_state(now, word, packet->tcp_event, DIRECTION_IN));
	flow->kind = FLOW_CONNECTION;
	flow->word = word;
	flow->server = placed->server;
	flow->template = placed->template;
	flow->forwarding = server->forwarding;
	flow->expires = at + (packet->is_icmp ? FIRST_TIMEOUT : timeout_of(now, sums, word, key->protocol));
	name_ends(flow, key, server, placed->port);
}

static __always_inline void count_begun(struct server *server, struct totals *sums, __u64 word, long change)
{
	__sync_fetch_and_add(word & WORD_ACTIVE ? &server->active : &server->inactive, change);
	__sync_fetch_and_add(&sums->connections, change);
	if (word & WORD_HALF_OPEN)
		__sync_fetch_and_add(&sums->half_open, change);
	mind_thresholds(server);
}

enum entered { ENTERED, ENTERED_NOT, ENTERED_HALF };

/* Into the table, counted on its server, with the entry of its replies; or not, or without that one: then it is to end. */
static __always_inline int put_in(const struct flow_key *of_client, struct flow *entry, struct server *server,
				  struct totals *sums)
{
	struct flow_key of_server;

	/* Counted first: whoever schedules meanwhile sees it. */
	count_begun(server, sums, entry->word, 1);
	if (bpf_map_update_elem(&flows, of_client, entry, BPF_NOEXIST)) {
		/* Another processor was first with the same packet sent again; or the table is full. */
		count_begun(server, sums, entry->word, -1);
		return ENTERED_NOT;
	}
	if (entry->template && of_client->protocol == IPPROTO_TCP && (entry->word & WORD_STATE) == STATE_ESTABLISHED)
		assure_template(entry->template);
	if (entry->forwarding != FORWARD_MASQ)
		return ENTERED;
	of_server = entry->other;
	entry->kind = FLOW_REPLY;
	entry->other = *of_client;
	return bpf_map_update_elem(&flows, &of_server, entry, BPF_ANY) ? ENTERED_HALF : ENTERED;
}

__noinline int enter(const struct packet *packet, const struct placed *placed, __u64 at)
{
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct flow_key of_client;
	struct flow entry = {};
	struct server *server;

	if (!packet || !placed || !now || !sums)
		return ENTERED_NOT;
	server = server_at(placed->server);
	if (!server)
		return ENTERED_NOT;
	of_client = packet->key;
	describe(&entry, packet, placed, server, now, sums, at);
	return put_in(&of_client, &entry, server, sums);
}

/* A new connection, counted on its server. With one-packet scheduling there is none: the packet goes where `placed` says. */
__noinline int begin(const struct packet *packet, __u64 at, struct placed *placed)
{
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	const struct flow_key *key;
	struct service *service;
	struct server *server;

	if (!packet || !placed || !now || !sums)
		return BEGUN_DROP;
	key = &packet->key;
	service = find_service(packet, now->lookups);
	if (!service)
		return BEGUN_NOT_OURS;
	/* The first of them at once, then every so many. */
	if (now->drop_rate && __sync_fetch_and_add(&sums->candidates, 1) % now->drop_rate == 0)
		return BEGUN_DROP;
	if (sums->connections >= now->most_connections) {
		__sync_fetch_and_add(&sums->refused_full, 1);
		return BEGUN_DROP;
	}
	if (key->protocol == IPPROTO_TCP && sums->half_open >= now->most_half_open) {
		__sync_fetch_and_add(&sums->refused_half_open, 1);
		return BEGUN_DROP;
	}
	placed->number = bpf_get_prandom_u32();
	placed->server = choose(service, packet, at, placed);
	server = server_at(placed->server);
	if (placed->server == NO_SERVER || !server)
		return leave(service, packet);
	placed->port = server_port(service, server, key);
	if (service->flags & SERVICE_ONE_PACKET && key->protocol == IPPROTO_UDP) {
		if (placed->template)
			release_template(placed->template);
		count_connection(placed->server);
		return BEGUN_ONCE;
	}
	switch (enter(packet, placed, at)) {
	case ENTERED:
		count_connection(placed->server);
		return BEGUN;
	case ENTERED_HALF:
		end_connection(key);
		return BEGUN_DROP;
	default:
		if (placed->template)
			release_template(placed->template);
		return BEGUN_DROP;
	}
}

#endif
