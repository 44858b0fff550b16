/* SPDX-License-Identifier: GPL-2.0 */
/* sh, mh, dh: the client's address, or the service's, looked up in a table that the director has made. */
#ifndef BATON_HASH_H
#define BATON_HASH_H

#include "list.h"
#include <bpf/bpf_endian.h>

#define HASH_BITS 8
#define HASH_SLOTS (1 << HASH_BITS)
/* mh's larger table, of 131,071, in whole pieces. */
#define MOST_HASH_SLOTS 131072

struct hashed {
	__u32 table;
	__u32 size;
	__u32 key;
	__u32 home;
	__u32 slot;
	__u32 is_maglev;
};

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

static __always_inline int take_hashed(struct hashed *hashed, __u32 place)
{
	__u32 slot = slot_at(hashed->table + place);

	if (!is_usable(server_at(slot)))
		return 0;
	hashed->slot = slot;
	return 1;
}

/*
 * The first usable one of a piece of what comes after a server that is not; 1 when the search is over. sh's fallback adds
 * the hash once more; mh's hashes anew with the offset.
 */
__noinline int find_hashed(struct hashed *hashed, __u32 piece)
{
	if (!hashed || hashed->size == 0)
		return 1;
	for (__u32 index = 0; index < PIECE; index++) {
		__u32 step = piece + index, place;

		if (step >= hashed->size)
			return 1;
		if (hashed->is_maglev) {
			place = hashed->home + step;
			if (place >= hashed->size)
				place -= hashed->size;
			place = maglev_hash(hashed->key + place) % hashed->size;
		} else {
			place = (((hashed->home + step) & (HASH_SLOTS - 1)) + hashed->home) & (HASH_SLOTS - 1);
		}
		if (take_hashed(hashed, place))
			return 1;
	}
	return 0;
}

__noinline __u32 pick_hashed(const struct service *service, const struct flow_key *key)
{
	struct hashed hashed = { .slot = NO_SERVER };

	if (!service || !key || service->table_size == 0)
		return NO_SERVER;
	hashed.table = service->table;
	hashed.size = service->table_size;
	hashed.is_maglev = service->rule == RULE_MH;
	hashed.key = fold(service->rule == RULE_DH ? key->destination : key->source);
	if (service->flags & SERVICE_PORT)
		hashed.key += bpf_ntohs(key->source_port);
	hashed.home = hashed.is_maglev ? maglev_hash(hashed.key) % hashed.size : hash_slot(hashed.key);
	if (take_hashed(&hashed, hashed.home) || !(service->flags & SERVICE_FALLBACK))
		return hashed.slot;
	for (__u64 piece = 0; piece < MOST_HASH_SLOTS; piece += PIECE)
		if (find_hashed(&hashed, piece))
			break;
	return hashed.slot;
}

#endif
