/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists of servers, and how they are looked through: piece by piece, each by a global function whose loop ends at a number
 * that the verifier knows. It checks such a function once, by itself; kernels before 5.17 take nothing else for long lists.
 */
#ifndef BATON_LIST_H
#define BATON_LIST_H

#include "maps.h"

#define MOST_SERVERS 4096
#define PIECE 128

static __always_inline int is_usable(const struct server *server)
{
	return server && server->use == SERVER_INSTALLED && server->weight > 0 && !server->overloaded;
}

/* LVS's cost: one active connection weighs as 256 inactive ones, plus itself. */
static __always_inline __u64 overhead(const struct server *server)
{
	return (__u64)server->active * 257 + server->inactive;
}

static __always_inline __u32 count_of(const struct service *service)
{
	return service->count > MOST_SERVERS ? MOST_SERVERS : service->count;
}

#endif
