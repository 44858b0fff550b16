/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lblc, locality-based least connection: a destination address stays with its server until that one is too full while
 * another has room; else as wlc. The director forgets what was long idle (src/engines/ebpf/destinations.ts).
 */
#ifndef BATON_LBLC_H
#define BATON_LBLC_H

#include "least.h"

/* Of one service; then none is taken in, as the kernel has it. */
#define MOST_DESTINATIONS (1024 * 16 * 3 / 2)

/* Of this service still: a destination may be forgotten at the moment when it is used, and its memory be another's. */
static __always_inline int is_own(const struct service *service, const struct server *server)
{
	return server && server->use == SERVER_INSTALLED && server->service == service->slot;
}

enum { ROOM_NOT_HERE, ROOM_FOUND, ROOM_NOWHERE };

/* Whether somebody in a piece of the list has fewer active connections than half its weight. */
__noinline int find_room(const struct service *service, __u32 piece)
{
	if (!service)
		return ROOM_NOWHERE;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 place = piece + index;
		struct server *server;

		if (place >= service->count)
			return ROOM_NOWHERE;
		server = server_at(slot_at(service->members + place));
		if (server && server->use == SERVER_INSTALLED && server->active * 2ULL < server->weight)
			return ROOM_FOUND;
	}
	return ROOM_NOT_HERE;
}

/* More active connections than its weight, while another server has room: the kernel's sense, not the threshold's. */
__noinline int is_overfull(const struct service *service, __u32 slot)
{
	struct server *server = server_at(slot);
	int found = ROOM_NOT_HERE;

	if (!service || !server || server->active <= server->weight)
		return 0;
	for (__u64 piece = 0; piece < MOST_SERVERS; piece += PIECE) {
		found = find_room(service, piece);
		if (found != ROOM_NOT_HERE)
			break;
	}
	return found == ROOM_FOUND;
}

static __always_inline void name_destination(struct destination_key *wanted, const struct service *service,
					     const struct flow_key *key)
{
	__builtin_memcpy(wanted->address, key->destination, sizeof(wanted->address));
	wanted->locality = service->locality;
}

/* Takes in a destination, unless there are too many; 0 when it now stands. */
static __always_inline int take_in(const struct service *service, const struct destination_key *wanted,
				    const struct destination *fresh)
{
	__u32 slot = service->slot;
	struct locality *own = bpf_map_lookup_elem(&localities, &slot);

	if (!own || own->added - own->forgotten >= MOST_DESTINATIONS)
		return -1;
	if (bpf_map_update_elem(&destinations, wanted, fresh, BPF_NOEXIST))
		return -1;
	__sync_fetch_and_add(&own->added, 1);
	return 0;
}

__noinline __u32 pick_local(const struct service *service, const struct flow_key *key, __u64 at)
{
	struct destination fresh = { .last_use = at };
	struct destination_key wanted;
	struct destination *standing;
	struct server *server;
	__u32 slot;

	if (!service || !key)
		return NO_SERVER;
	name_destination(&wanted, service, key);
	standing = bpf_map_lookup_elem(&destinations, &wanted);
	if (standing) {
		standing->last_use = at;
		slot = standing->server;
		server = server_at(slot);
		/* A server over its threshold keeps its destinations: the kernel does not ask. */
		if (is_own(service, server) && server->weight > 0 && !is_overfull(service, slot))
			return slot;
	}
	slot = pick_least(service, RULE_WLC);
	if (slot == NO_SERVER)
		return NO_SERVER;
	fresh.server = slot;
	if (standing)
		standing->server = slot;
	else
		take_in(service, &wanted, &fresh);
	return slot;
}

#endif
