/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The server of a new connection, decision for decision as src/lvs/schedulers. Lists are looked through by bpf_loop; the
 * pointers of rr and wrr move by compare-and-exchange, so that processors share one sequence.
 */
#ifndef BATON_SCHEDULE_H
#define BATON_SCHEDULE_H

#include "lookup.h"

#define MOST_SERVERS 4096
#define HASH_BITS 8
#define HASH_SLOTS (1 << HASH_BITS)
#define TURN_ATTEMPTS 8
/* A pass from the last pick on, two whole ones with the bar lowered, and the last one: more are never needed. */
#define WRR_PASSES 8

/* All of one pick: the verifier looks at what bpf_loop calls once, however often it runs. */
struct scan {
	__u32 members;
	__u32 count;
	__u32 rule;
	__u32 service;
	__u32 generation;
	/* Where to begin in the list; rr goes on at the head beyond its end. */
	__u32 from;
	/* wrr: the bar and its bounds, what the pass has seen, and the place after which nobody is asked. */
	__u32 bar;
	__u32 highest;
	__u32 step;
	__u32 heaviest;
	__s32 start;
	__s32 stop;
	__u8 is_stopped;
	__u8 is_last_pass;
	__u8 has_restarted;
	/* Where the director has set the turn, for a generation that nobody has picked from. */
	__s32 first_last;
	__u32 first_bar;
	/* The pick: place in the list, and slot. */
	__s32 place;
	__u32 slot;
	__u64 cost;
	__u64 share;
};

static __always_inline int is_usable(const struct server *server)
{
	return server && server->use == SERVER_INSTALLED && server->weight > 0 && !server->overloaded;
}

static long scan_turn(__u32 index, struct scan *scan)
{
	__u32 place = scan->from + index;
	struct server *server;
	__u32 slot;

	if (place >= scan->count)
		place -= scan->count;
	slot = slot_at(scan->members + place);
	server = server_at(slot);
	if (!is_usable(server))
		return 0;
	scan->place = place;
	scan->slot = slot;
	return 1;
}

static long scan_bar(__u32 index, struct scan *scan)
{
	__u32 place = scan->from + index;
	__u32 slot = slot_at(scan->members + place);
	struct server *server = server_at(slot);

	if (server && server->use == SERVER_INSTALLED && !server->overloaded) {
		if (server->weight >= scan->bar) {
			scan->place = place;
			scan->slot = slot;
			return 1;
		}
		if (server->weight > scan->heaviest)
			scan->heaviest = server->weight;
	}
	if ((__s32)place == scan->stop) {
		scan->is_stopped = 1;
		return 1;
	}
	return 0;
}

/* LVS's cost: one active connection weighs as 256 inactive ones, plus itself. */
static __always_inline __u64 overhead(const struct server *server)
{
	return (__u64)server->active * 257 + server->inactive;
}

static long scan_least(__u32 index, struct scan *scan)
{
	__u32 slot = slot_at(scan->members + index);
	struct server *server = server_at(slot);
	__u64 cost, share;

	if (!is_usable(server))
		return 0;
	share = server->weight;
	switch (scan->rule) {
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
			return 0;
		cost = 1;
		break;
	default:
		cost = 1;
	}
	if (scan->slot != NO_SERVER && cost * scan->share >= scan->cost * share)
		return 0;
	scan->place = index;
	scan->slot = slot;
	scan->cost = cost;
	scan->share = share;
	/* Of idle servers the first is taken at once. */
	return scan->rule == RULE_NQ && cost == 0;
}

static __always_inline __u64 turn_of(const struct scan *scan, __s32 last, __u32 bar)
{
	return (__u64)(scan->generation & 0xffff) << 48 | (__u64)((last + 1) & 0xffff) << 32 | bar;
}

/* Where the last pick left off, or where the director says after it has changed the list. */
static __always_inline void read_turn(struct scan *scan, __u64 turn)
{
	int is_first = turn >> 48 != (scan->generation & 0xffff);

	scan->start = is_first ? scan->first_last : (__s32)(turn >> 32 & 0xffff) - 1;
	scan->bar = is_first ? scan->first_bar : (__u32)turn;
	if (scan->start >= (__s32)scan->count)
		scan->start = (__s32)scan->count - 1;
}

/* A pick of rr; 1 when it stands. */
static long try_turn(__u32 attempt, struct scan *scan)
{
	__u32 service = scan->service;
	__u64 *turn = bpf_map_lookup_elem(&turns, &service);
	__u64 before;

	if (!turn)
		return 1;
	before = *(volatile __u64 *)turn;
	read_turn(scan, before);
	scan->from = scan->start + 1;
	scan->slot = NO_SERVER;
	bpf_loop(scan->count, scan_turn, scan, 0);
	if (scan->slot == NO_SERVER)
		return 1;
	return __sync_val_compare_and_swap(turn, before, turn_of(scan, scan->place, 0)) == before;
}

/* One pass of wrr over the list; 1 when it is decided. `place` -1 with nobody picked: begin at the head next time. */
static long pass_bar(__u32 pass, struct scan *scan)
{
	__u32 reach, from = scan->from;

	scan->heaviest = 0;
	if (from < scan->count)
		bpf_loop(scan->count - from, scan_bar, scan, 0);
	if (scan->slot != NO_SERVER || scan->is_stopped)
		return 1;
	if (scan->bar > scan->step) {
		scan->bar -= scan->step;
	} else {
		scan->bar = scan->highest;
		if (scan->is_last_pass || scan->start == -1) {
			scan->place = -1;
			return 1;
		}
		scan->has_restarted = 1;
	}
	/* Passes that nobody would be picked in need not be made. */
	reach = scan->heaviest > scan->step ? scan->heaviest : scan->step;
	if (from == 0 && scan->bar > reach && scan->step)
		scan->bar -= (scan->bar - reach + scan->step - 1) / scan->step * scan->step;
	scan->is_last_pass = scan->bar <= scan->step;
	if (scan->is_last_pass && scan->has_restarted && scan->start != -1)
		scan->stop = scan->start;
	scan->from = 0;
	return 0;
}

/* A pick of wrr; 1 when it stands. */
static long try_bar(__u32 attempt, struct scan *scan)
{
	__u32 service = scan->service;
	__u64 *turn = bpf_map_lookup_elem(&turns, &service);
	__u64 before;

	if (!turn)
		return 1;
	before = *(volatile __u64 *)turn;
	read_turn(scan, before);
	scan->from = scan->start + 1;
	scan->place = scan->start;
	scan->slot = NO_SERVER;
	scan->stop = -1;
	scan->is_stopped = 0;
	scan->is_last_pass = 0;
	scan->has_restarted = 0;
	bpf_loop(WRR_PASSES, pass_bar, scan, 0);
	return __sync_val_compare_and_swap(turn, before, turn_of(scan, scan->place, scan->bar)) == before;
}

static __always_inline __u32 fold(const __u32 address[4])
{
	return bpf_ntohl(address[0]) ^ bpf_ntohl(address[1]) ^ bpf_ntohl(address[2]) ^ bpf_ntohl(address[3]);
}

static __always_inline __u32 hash_slot(__u32 value)
{
	return (value * 0x61c88647U) >> (32 - HASH_BITS);
}

static __always_inline __u64 rotate(__u64 value, int bits)
{
	return value << bits | value >> (64 - bits);
}

#define SIP_ROUND                                                                                                      \
	do {                                                                                                           \
		v0 += v1, v1 = rotate(v1, 13) ^ v0, v0 = rotate(v0, 32);                                               \
		v2 += v3, v3 = rotate(v3, 16) ^ v2;                                                                    \
		v0 += v3, v3 = rotate(v3, 21) ^ v0;                                                                    \
		v2 += v1, v1 = rotate(v1, 17) ^ v2, v2 = rotate(v2, 32);                                               \
	} while (0)

/* SipHash-1-3 of one 32-bit word: what Linux's hsiphash is on 64-bit machines, for mh's first key. */
static __always_inline __u32 maglev_hash(__u32 word)
{
	const __u64 key = 2654435761ULL, block = 4ULL << 56 | word;
	__u64 v0 = 0x736f6d6570736575ULL ^ key, v1 = 0x646f72616e646f6dULL ^ key;
	__u64 v2 = 0x6c7967656e657261ULL ^ key, v3 = 0x7465646279746573ULL ^ key;

	v3 ^= block;
	SIP_ROUND;
	v0 ^= block;
	v2 ^= 0xff;
	SIP_ROUND;
	SIP_ROUND;
	SIP_ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

struct hashed {
	__u32 table;
	__u32 size;
	__u32 key;
	__u32 home;
	__u32 slot;
	__u32 is_maglev;
};

static __always_inline int take_hashed(struct hashed *hashed, __u32 place)
{
	__u32 slot = slot_at(hashed->table + place);

	if (!is_usable(server_at(slot)))
		return 0;
	hashed->slot = slot;
	return 1;
}

/* sh's fallback adds the hash once more; mh's hashes anew with the offset. */
static long scan_hashed(__u32 step, struct hashed *hashed)
{
	__u32 offset;

	if (!hashed->is_maglev)
		return take_hashed(hashed, (((hashed->home + step) & (HASH_SLOTS - 1)) + hashed->home) & (HASH_SLOTS - 1));
	offset = hashed->home + step;
	if (offset >= hashed->size)
		offset -= hashed->size;
	return take_hashed(hashed, maglev_hash(hashed->key + offset) % hashed->size);
}

static __always_inline __u32 pick_hashed(const struct service *service, const struct flow_key *key)
{
	struct hashed hashed = {
		.table = service->table,
		.size = service->table_size,
		.slot = NO_SERVER,
		.is_maglev = service->rule == RULE_MH,
	};

	if (hashed.size == 0)
		return NO_SERVER;
	hashed.key = fold(service->rule == RULE_DH ? key->destination : key->source);
	if (service->flags & SERVICE_PORT)
		hashed.key += bpf_ntohs(key->source_port);
	hashed.home = hashed.is_maglev ? maglev_hash(hashed.key) % hashed.size : hash_slot(hashed.key);
	if (!take_hashed(&hashed, hashed.home) && service->flags & SERVICE_FALLBACK)
		bpf_loop(hashed.size, scan_hashed, &hashed, 0);
	return hashed.slot;
}

/* A slot, or NO_SERVER. Global, as all that has many ways through it: the verifier looks at it once, by itself. */
__noinline __u32 pick(const struct service *service, const struct flow_key *key)
{
	struct scan scan = { .slot = NO_SERVER };

	if (!service || !key || service->count == 0)
		return NO_SERVER;
	if (service->rule >= RULE_SH)
		return pick_hashed(service, key);
	scan.members = service->members;
	scan.count = service->count > MOST_SERVERS ? MOST_SERVERS : service->count;
	scan.rule = service->rule;
	scan.service = service->slot;
	scan.generation = service->generation;
	scan.highest = service->highest;
	scan.step = service->step ? service->step : 1;
	scan.first_last = service->last;
	scan.first_bar = service->bar;
	switch (scan.rule) {
	case RULE_NONE:
		break;
	case RULE_RR:
		bpf_loop(TURN_ATTEMPTS, try_turn, &scan, 0);
		break;
	case RULE_WRR:
		if (scan.highest)
			bpf_loop(TURN_ATTEMPTS, try_bar, &scan, 0);
		break;
	default:
		bpf_loop(scan.count, scan_least, &scan, 0);
	}
	return scan.slot;
}

#endif
