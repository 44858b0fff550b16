/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lblcr, lblc with replication: a destination address has a set of servers, and goes to the one of them that wlc would pick.
 * One more joins when that is too full while another has room; the fullest leaves when long nobody joined. Who changes a
 * set holds it; who finds it held leaves it as it is.
 */
#ifndef BATON_LBLCR_H
#define BATON_LBLCR_H

#include "lblc.h"

#define MOST_PIECES (MOST_SERVERS / REPLICAS)

enum sought { SEEK_LEAST, SEEK_FULLEST, SEEK_SAME };

/* A search through a set. Each processor has one, since the stack has no room for it. */
struct search {
	struct replicas_key key;
	__u32 count;
	__u32 service;
	enum sought what;
	/* The one found so far, or the one that is looked for; and its place, below 0 when there is none. */
	__u32 slot;
	__u32 number;
	__s32 place;
	__u64 cost;
	__u64 share;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct search);
} searches SEC(".maps");

/* A piece of a set in which no server has been put down yet. */
const struct replicas no_replicas = {};

static __always_inline struct search *current_search(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&searches, &only);
}

static __always_inline struct replicas *piece_at(struct search *search, __u32 piece)
{
	search->key.piece = piece;
	return bpf_map_lookup_elem(&replicas, &search->key);
}

/* Of equals the newest, as the kernel puts new ones first. */
static __always_inline int is_better(const struct search *search, __u64 cost, __u64 share, __u32 number)
{
	__u64 ours = cost * search->share, theirs = search->cost * share;

	if (search->place < 0)
		return 1;
	if (ours == theirs)
		return (__s32)(number - search->number) > 0;
	return search->what == SEEK_LEAST ? ours < theirs : ours > theirs;
}

/* What a piece of the set has of what is sought; 1 when the search is over. */
__noinline int search_piece(__u32 piece)
{
	struct search *search = current_search();
	struct replicas *found;

	if (!search)
		return 1;
	found = piece_at(search, piece);
	if (!found)
		return 1;
	for (__u32 index = 0; index < REPLICAS; index++) {
		__u32 place = piece * REPLICAS + index, slot = found->list[index].server;
		struct server *server;

		if (place >= search->count)
			return 1;
		if (search->what == SEEK_SAME) {
			if (slot != search->slot)
				continue;
			search->place = place;
			return 1;
		}
		server = server_at(slot);
		/* The fullest may be one that is gone: it leaves all the same. */
		if (!server || server->service != search->service || server->weight == 0)
			continue;
		if (search->what == SEEK_LEAST && !is_usable(server))
			continue;
		if (!is_better(search, overhead(server), server->weight, found->list[index].number))
			continue;
		search->slot = slot;
		search->place = place;
		search->number = found->list[index].number;
		search->cost = overhead(server);
		search->share = server->weight;
	}
	return 0;
}

static __always_inline void seek(struct search *search, const struct destination *standing, enum sought what)
{
	search->what = what;
	search->count = standing->count;
	search->place = -1;
	for (__u64 piece = 0; piece < MOST_PIECES; piece++)
		if (search_piece(piece))
			break;
}

static __always_inline int hold(struct destination *standing)
{
	return __sync_val_compare_and_swap(&standing->is_held, 0, 1) == 0;
}

static __always_inline void release(struct destination *standing)
{
	__sync_fetch_and_and(&standing->is_held, 0);
}

/* Of the destination that was searched. The last one takes the place of the fullest. */
__noinline int drop_fullest(__u64 at)
{
	struct search *search = current_search();
	struct replicas *hole, *end;
	struct destination *standing;
	__u32 last, place;

	if (!search)
		return 0;
	standing = bpf_map_lookup_elem(&destinations, &search->key.destination);
	if (!standing || !hold(standing))
		return 0;
	seek(search, standing, SEEK_FULLEST);
	if (search->place >= 0 && standing->count > 0) {
		place = search->place;
		last = standing->count - 1;
		hole = piece_at(search, place / REPLICAS);
		end = piece_at(search, last / REPLICAS);
		if (hole && end) {
			hole->list[place % REPLICAS] = end->list[last % REPLICAS];
			standing->count = last;
			standing->changed = at;
		}
	}
	release(standing);
	return 0;
}

/* The set of the destination that was searched; unless it is there. */
__noinline int join(__u32 slot, __u64 at)
{
	struct search *search = current_search();
	struct destination *standing;
	struct replicas *end;
	__u32 place;

	if (!search)
		return 0;
	standing = bpf_map_lookup_elem(&destinations, &search->key.destination);
	if (!standing || !hold(standing))
		return 0;
	search->slot = slot;
	seek(search, standing, SEEK_SAME);
	place = standing->count;
	if (search->place < 0 && place < MOST_SERVERS) {
		search->key.piece = place / REPLICAS;
		if (place % REPLICAS == 0)
			bpf_map_update_elem(&replicas, &search->key, &no_replicas, BPF_ANY);
		end = piece_at(search, place / REPLICAS);
		if (end) {
			end->list[place % REPLICAS].server = slot;
			end->list[place % REPLICAS].number = standing->next;
			standing->next += 1;
			standing->count = place + 1;
			standing->changed = at;
		}
	}
	release(standing);
	return 0;
}

/* A new destination, of which no server is known yet; 0 when it stands. */
__noinline int take_in_set(const struct service *service, __u64 at)
{
	struct destination fresh = { .last_use = at, .changed = at };
	struct search *search = current_search();

	return service && search ? take_in(service, &search->key.destination, &fresh) : -1;
}

__noinline __u32 pick_replicated(const struct service *service, const struct flow_key *key, __u64 at)
{
	struct settings *now = current_settings();
	struct search *search = current_search();
	struct destination *standing;
	__u32 slot;
	int is_set;

	if (!service || !key || !now || !search)
		return NO_SERVER;
	name_destination(&search->key.destination, service, key);
	search->service = service->slot;
	standing = bpf_map_lookup_elem(&destinations, &search->key.destination);
	is_set = !!standing;
	if (standing) {
		standing->last_use = at;
		search->slot = NO_SERVER;
		seek(search, standing, SEEK_LEAST);
		slot = search->slot;
		if (standing->count > 1 && (__s64)(at - standing->changed) > (__s64)(now->lblcr_expiration * SECOND))
			drop_fullest(at);
		/* Though it may just have left the set: the kernel goes by what it saw before. */
		if (slot != NO_SERVER && !is_overfull(service, slot))
			return slot;
	}
	slot = pick_least(service, RULE_WLC);
	if (slot != NO_SERVER && (is_set || !take_in_set(service, at)))
		join(slot, at);
	return slot;
}

#endif
