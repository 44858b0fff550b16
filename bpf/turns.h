/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rr and wrr: servers in turn. Where the last pick left off is moved on by compare-and-exchange, so that processors share
 * one sequence.
 */
#ifndef BATON_TURNS_H
#define BATON_TURNS_H

#include "list.h"

#define TURN_ATTEMPTS 8
/* A pass from the last pick on, two whole ones with the bar lowered, and the last one: more are never needed. */
#define WRR_PASSES 8

struct turn {
	__u32 members;
	__u32 count;
	/* Where to begin in the list; rr goes on at the head beyond its end. */
	__u32 from;
	/* wrr: the bar and its bounds, what the pass has seen, and the place after which nobody is asked. */
	__u32 bar;
	__u32 highest;
	__u32 step;
	__u32 heaviest;
	__s32 start;
	__s32 stop;
	/* The pick: place in the list, and slot. */
	__s32 place;
	__u32 slot;
	__u8 is_stopped;
	__u8 is_last_pass;
	__u8 has_restarted;
	__u8 unused;
};

static __always_inline __u64 *turn_at(const struct service *service)
{
	__u32 slot = service->slot;

	return bpf_map_lookup_elem(&turns, &slot);
}

static __always_inline __u64 turn_of(const struct service *service, __s32 last, __u32 bar)
{
	return (__u64)(service->generation & 0xffff) << 48 | (__u64)((last + 1) & 0xffff) << 32 | bar;
}

/* Where the last pick left off, or where the director says after it has changed the list. */
static __always_inline void read_turn(struct turn *turn, const struct service *service, __u64 word)
{
	int is_first = word >> 48 != (service->generation & 0xffff);

	turn->start = is_first ? service->last : (__s32)(word >> 32 & 0xffff) - 1;
	turn->bar = is_first ? service->bar : (__u32)word;
	if (turn->start >= (__s32)turn->count)
		turn->start = (__s32)turn->count - 1;
	turn->from = turn->start + 1;
	turn->place = turn->start;
	turn->slot = NO_SERVER;
}

/* The first usable one in a piece of the way round; 1 when the search is over. */
__noinline int find_next(struct turn *turn, __u32 piece)
{
	if (!turn)
		return 1;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 place = turn->from + piece + index;
		__u32 slot;

		if (piece + index >= turn->count)
			return 1;
		if (place >= turn->count)
			place -= turn->count;
		slot = slot_at(turn->members + place);
		if (!is_usable(server_at(slot)))
			continue;
		turn->place = place;
		turn->slot = slot;
		return 1;
	}
	return 0;
}

__noinline __u32 pick_next(const struct service *service)
{
	struct turn turn = {};
	__u64 *word, before;

	if (!service)
		return NO_SERVER;
	word = turn_at(service);
	if (!word)
		return NO_SERVER;
	turn.members = service->members;
	turn.count = count_of(service);
	for (__u64 attempt = 0; attempt < TURN_ATTEMPTS; attempt++) {
		before = *(volatile __u64 *)word;
		read_turn(&turn, service, before);
		for (__u64 piece = 0; piece < MOST_SERVERS; piece += PIECE)
			if (find_next(&turn, piece))
				break;
		if (turn.slot == NO_SERVER)
			break;
		if (__sync_val_compare_and_swap(word, before, turn_of(service, turn.place, 0)) == before)
			break;
	}
	return turn.slot;
}

/* The first one in a piece of the rest of the list whose weight reaches the bar; 1 when the search is over. */
__noinline int find_reaching(struct turn *turn, __u32 piece)
{
	if (!turn)
		return 1;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 place = turn->from + piece + index;
		struct server *server;
		__u32 slot;

		if (place >= turn->count)
			return 1;
		slot = slot_at(turn->members + place);
		server = server_at(slot);
		if (server && server->use == SERVER_INSTALLED && !server->overloaded) {
			if (server->weight >= turn->bar) {
				turn->place = place;
				turn->slot = slot;
				return 1;
			}
			if (server->weight > turn->heaviest)
				turn->heaviest = server->weight;
		}
		if ((__s32)place == turn->stop) {
			turn->is_stopped = 1;
			return 1;
		}
	}
	return 0;
}

/* One pass of wrr over the list; 1 when it is decided. `place` -1 with nobody picked: begin at the head next time. */
__noinline int pass_bar(struct turn *turn)
{
	__u32 reach;

	if (!turn)
		return 1;
	turn->heaviest = 0;
	for (__u64 piece = 0; piece < MOST_SERVERS; piece += PIECE)
		if (find_reaching(turn, piece))
			break;
	if (turn->slot != NO_SERVER || turn->is_stopped)
		return 1;
	if (turn->bar > turn->step) {
		turn->bar -= turn->step;
	} else {
		turn->bar = turn->highest;
		if (turn->is_last_pass || turn->start == -1) {
			turn->place = -1;
			return 1;
		}
		turn->has_restarted = 1;
	}
	/* Passes that nobody would be picked in need not be made. */
	reach = turn->heaviest > turn->step ? turn->heaviest : turn->step;
	if (turn->from == 0 && turn->bar > reach && turn->step)
		turn->bar -= (turn->bar - reach + turn->step - 1) / turn->step * turn->step;
	turn->is_last_pass = turn->bar <= turn->step;
	if (turn->is_last_pass && turn->has_restarted && turn->start != -1)
		turn->stop = turn->start;
	turn->from = 0;
	return 0;
}

__noinline __u32 pick_reaching(const struct service *service)
{
	struct turn turn = {};
	__u64 *word, before;

	if (!service || service->highest == 0)
		return NO_SERVER;
	word = turn_at(service);
	if (!word)
		return NO_SERVER;
	turn.members = service->members;
	turn.count = count_of(service);
	turn.highest = service->highest;
	turn.step = service->step ? service->step : 1;
	for (__u64 attempt = 0; attempt < TURN_ATTEMPTS; attempt++) {
		before = *(volatile __u64 *)word;
		read_turn(&turn, service, before);
		turn.stop = -1;
		turn.is_stopped = 0;
		turn.is_last_pass = 0;
		turn.has_restarted = 0;
		for (__u64 pass = 0; pass < WRR_PASSES; pass++)
			if (pass_bar(&turn))
				break;
		if (__sync_val_compare_and_swap(word, before, turn_of(service, turn.place, turn.bar)) == before)
			break;
	}
	return turn.slot;
}

#endif
