/* SPDX-License-Identifier: GPL-2.0 */
/* twos, power of two choices: of two servers drawn by weight the one with fewer connections for its weight. */
#ifndef BATON_TWOS_H
#define BATON_TWOS_H

#include "list.h"

struct draw {
	__u32 members;
	__u32 count;
	/* The weights of all usable servers. */
	__u64 total;
	/* What is left to be reached until a server is drawn. */
	__u64 first_left;
	__u64 second_left;
	__u32 first;
	__u32 second;
};

/* Another number, as if by chance: MurmurHash3's finalizer, which takes each number to one of its own. */
static __always_inline __u32 another_chance(__u32 chance)
{
	chance = (chance ^ chance >> 16) * 0x85ebca6bU;
	chance = (chance ^ chance >> 13) * 0xc2b2ae35U;
	return chance ^ chance >> 16;
}

/* From 0 to below `end`, evenly; the product has more than 64 bits. */
static __always_inline __u64 scaled(__u32 chance, __u64 end)
{
	return (end >> 32) * chance + ((end & 0xffffffffU) * chance >> 32);
}

/* 1 at the list's end. */
__noinline int sum_weights(struct draw *draw, __u32 piece)
{
	if (!draw)
		return 1;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 place = piece + index;
		struct server *server;

		if (place >= draw->count)
			return 1;
		server = server_at(slot_at(draw->members + place));
		if (is_usable(server))
			draw->total += server->weight;
	}
	return 0;
}

/* The first server at which the weights so far come to what was drawn; 1 when both are found. */
__noinline int find_drawn(struct draw *draw, __u32 piece)
{
	if (!draw)
		return 1;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 place = piece + index;
		struct server *server;
		__u32 slot;

		if (place >= draw->count)
			return 1;
		slot = slot_at(draw->members + place);
		server = server_at(slot);
		if (!is_usable(server))
			continue;
		if (draw->first == NO_SERVER) {
			if (server->weight >= draw->first_left)
				draw->first = slot;
			else
				draw->first_left -= server->weight;
		}
		if (draw->second == NO_SERVER) {
			if (server->weight >= draw->second_left)
				draw->second = slot;
			else
				draw->second_left -= server->weight;
		}
		if (draw->first != NO_SERVER && draw->second != NO_SERVER)
			return 1;
	}
	return 0;
}

__noinline __u32 pick_drawn(const struct service *service, __u32 chance)
{
	struct draw draw = { .first = NO_SERVER, .second = NO_SERVER };
	struct server *first, *second;

	if (!service)
		return NO_SERVER;
	draw.members = service->members;
	draw.count = count_of(service);
	for (__u64 piece = 0; piece < MOST_SERVERS; piece += PIECE)
		if (sum_weights(&draw, piece))
			break;
	if (draw.total == 0)
		return NO_SERVER;
	/* From 0 to the total, both included, as the kernel draws. */
	draw.first_left = scaled(chance, draw.total + 1);
	draw.second_left = scaled(another_chance(chance), draw.total + 1);
	for (__u64 piece = 0; piece < MOST_SERVERS; piece += PIECE)
		if (find_drawn(&draw, piece))
			break;
	first = server_at(draw.first);
	second = server_at(draw.second);
	/* Weights may have changed meanwhile. */
	if (!first || !second)
		return first ? draw.first : draw.second;
	return overhead(second) * first->weight < overhead(first) * second->weight ? draw.second : draw.first;
}

#endif
