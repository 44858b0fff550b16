/* SPDX-License-Identifier: GPL-2.0 */
/* lc, wlc, sed, nq, fo, ovf: the server of least cost for its share; of equals the one that comes first in the list. */
#ifndef BATON_LEAST_H
#define BATON_LEAST_H

#include "list.h"

struct least {
	__u32 members;
	__u32 count;
	__u32 rule;
	/* The pick so far. */
	__u32 slot;
	__u64 cost;
	__u64 share;
};

/* The least of a piece and of what came before it; 1 when the search is over. */
__noinline int find_least(struct least *least, __u32 piece)
{
	if (!least)
		return 1;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 place = piece + index;
		struct server *server;
		__u64 cost, share;
		__u32 slot;

		if (place >= least->count)
			return 1;
		slot = slot_at(least->members + place);
		server = server_at(slot);
		if (!is_usable(server))
			continue;
		share = server->weight;
		switch (least->rule) {
		case RULE_LC:
			cost = overhead(server);
			share = 1;
			break;
		case RULE_WLC:
			cost = overhead(server);
			break;
		case RULE_SED:
			cost = server->active + 1ULL;
			break;
		case RULE_NQ:
			cost = server->active == 0 ? 0 : server->active + 1ULL;
			break;
		case RULE_OVF:
			if (server->active > server->weight)
				continue;
			cost = 1;
			break;
		default:
			cost = 1;
		}
		if (least->slot != NO_SERVER && cost * least->share >= least->cost * share)
			continue;
		least->slot = slot;
		least->cost = cost;
		least->share = share;
		/* Of idle servers the first is taken at once. */
		if (least->rule == RULE_NQ && cost == 0)
			return 1;
	}
	return 0;
}

__noinline __u32 pick_least(const struct service *service, __u32 rule)
{
	struct least least = { .rule = rule, .slot = NO_SERVER };

	if (!service)
		return NO_SERVER;
	least.members = service->members;
	least.count = count_of(service);
	for (__u64 piece = 0; piece < MOST_SERVERS; piece += PIECE)
		if (find_least(&least, piece))
			break;
	return least.slot;
}

#endif
