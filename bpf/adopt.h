/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections and templates of another director, put among those that stand here as Linux's backup daemon does it
 * (ip_vs_sync.c, ip_vs_proc_conn): on this director's own server and by its forwarding, under no template, and counted on
 * the server but not in its statistics. Packets may come for them meanwhile.
 */
#ifndef BATON_ADOPT_H
#define BATON_ADOPT_H

#include "connection.h"

/* What the director asks `adopt` to take. */
#define ADOPT_MOST 256
#define ADOPT_TEMPLATES 0x10000

enum adopted { ADOPT_REFUSED, ADOPT_TAKEN, ADOPT_UPDATED, ADOPT_OUTDATED, ADOPT_FULL };

struct adoption {
	/* From its client; of a template its name. */
	struct flow_key key;
	__u64 timeout;
	__u32 server;
	/* Of the server, as it is for this one. */
	__u16 port;
	/* TCP's code; of a template 1: it is assured. */
	__u8 state;
	/* What became of it: the program's answer. */
	__u8 adopted;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ADOPT_MOST);
	__type(key, __u32);
	__type(value, struct adoption);
} adopting SEC(".maps");

/* In the state that it is told to be in; 0 when it has ended meanwhile. */
static __always_inline int bring_up(struct flow *flow, const struct adoption *asked, struct server *server,
				    const struct settings *now, struct totals *sums, __u64 at)
{
	__u64 before = *(volatile __u64 *)&flow->word;

	for (int attempt = 0; attempt < WORD_ATTEMPTS; attempt++) {
		__u64 after = asked->key.protocol == IPPROTO_TCP ? word_in_state(now, before, asked->state & 15) : before, seen;

		if (before & WORD_DEAD)
			return 0;
		if (after == before)
			break;
		seen = __sync_val_compare_and_swap(&flow->word, before, after);
		if (seen == before) {
			count_states(server, sums, before, after);
			break;
		}
		before = seen;
	}
	flow->expires = at + asked->timeout;
	return 1;
}

static __always_inline void describe_adopted(struct flow *flow, const struct adoption *asked, const struct server *server,
					     const struct settings *now, __u64 at)
{
	__u64 word = (__u64)bpf_get_prandom_u32() << 32;

	if (server->forwarding != FORWARD_MASQ)
		word |= WORD_INPUT_ONLY;
	flow->kind = FLOW_CONNECTION;
	flow->word = asked->key.protocol == IPPROTO_TCP ? word_in_state(now, word, asked->state & 15) : word;
	flow->server = asked->server;
	flow->forwarding = server->forwarding;
	flow->expires = at + asked->timeout;
	name_ends(flow, &asked->key, server, asked->port);
}

__noinline int adopt_connection(__u32 index, __u64 at)
{
	struct adoption *asked = bpf_map_lookup_elem(&adopting, &index);
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct flow entry = {}, *standing;
	struct server *server;
	struct flow_key key;

	if (!asked || !now || !sums)
		return ADOPT_REFUSED;
	key = asked->key;
	server = server_at(asked->server);
	if (!server || server->use != SERVER_INSTALLED)
		return ADOPT_REFUSED;
	standing = bpf_map_lookup_elem(&flows, &key);
	if (standing && standing->kind != FLOW_CONNECTION)
		return ADOPT_REFUSED;
	if (standing && at < standing->expires) {
		if (standing->server == asked->server && standing->other.source_port == asked->port)
			return bring_up(standing, asked, server, now, sums, at) ? ADOPT_UPDATED : ADOPT_OUTDATED;
		/* It tells of the end of one that has begun anew here. */
		if (key.protocol != IPPROTO_TCP || !(now->active_states >> (asked->state & 15) & 1))
			return ADOPT_OUTDATED;
	}
	if (standing)
		end_connection(&key);
	if (sums->connections >= now->most_connections)
		return ADOPT_FULL;
	describe_adopted(&entry, asked, server, now, at);
	switch (put_in(&key, &entry, server, sums)) {
	case ENTERED:
		return ADOPT_TAKEN;
	case ENTERED_HALF:
		end_connection(&key);
		return ADOPT_FULL;
	default:
		return ADOPT_FULL;
	}
}

__noinline int adopt_template(__u32 index, __u64 at)
{
	struct adoption *asked = bpf_map_lookup_elem(&adopting, &index);
	struct settings *now = current_settings();
	struct template *standing;
	struct server *server;
	struct flow_key name;
	__u64 *found, number;

	if (!asked || !now)
		return ADOPT_REFUSED;
	name = asked->key;
	found = bpf_map_lookup_elem(&remembered, &name);
	number = found ? *found : 0;
	standing = number ? template_at(number) : 0;
	server = standing ? server_at(standing->server) : 0;
	if (standing && server) {
		/* It stays with the server that it has. */
		if (leads_on(standing, server, now, at)) {
			standing->timeout = asked->timeout;
			standing->expires = at + asked->timeout;
			if (asked->state)
				assure_template(number);
			return ADOPT_UPDATED;
		}
		unname(standing, number, &name);
	}
	server = server_at(asked->server);
	if (!server || server->use != SERVER_INSTALLED)
		return ADOPT_REFUSED;
	return plant(&name, at, asked->timeout, asked->server, asked->port, asked->state ? TEMPLATE_ASSURED : 0) ?
		       ADOPT_TAKEN : ADOPT_FULL;
}

#endif
