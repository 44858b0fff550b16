/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The maps. Their sizes are the director's to choose; those that it writes in place are mapped into its memory. Keys that are
 * looked up are on the stack: before Linux 6.2 the verifier takes no memory that a global function was handed.
 */
#ifndef BATON_MAPS_H
#define BATON_MAPS_H

#include "layout.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* A plain table: one that evicts would leave the servers' counts wrong. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct flow_key);
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct template);
} templates SEC(".maps");

/* Numbers of templates, by name. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct flow_key);
	__type(value, __u64);
} remembered SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

/* By service: generation (16 bits), place of the last pick plus one (16 bits), wrr's bar (32 bits). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} turns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct server);
} servers SEC(".maps");

/* Lists of servers and tables of hashing schedulers: places in `servers`. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct statistics);
} counters SEC(".maps");

/* The director's own: what was counted when counters were zeroed, and by servers that are gone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct statistics);
} kept SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct totals);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vouched);
} vouched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct destination_key);
	__type(value, struct destination);
} destinations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct replicas_key);
	__type(value, struct replicas);
} replicas SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct locality);
} localities SEC(".maps");

/* Ports of datagrams whose later fragments bear none. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} fragments SEC(".maps");

/* Of one-packet scheduling: what would be its entry, while a processor looks at its packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} once SEC(".maps");

/* What the director asks `reap` to look at. */
#define REAP_MOST 256
#define REAP_TEMPLATES 0x10000
#define REAP_UNPROVEN 0x20000
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, REAP_MOST);
	__type(key, __u32);
	__type(value, struct flow_key);
} reaping SEC(".maps");

static __always_inline struct settings *current_settings(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&settings, &only);
}

static __always_inline struct totals *current_totals(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&totals, &only);
}

static __always_inline struct vouched *current_vouched(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&vouched, &only);
}

static __always_inline struct server *server_at(__u32 slot)
{
	return bpf_map_lookup_elem(&servers, &slot);
}

static __always_inline __u32 slot_at(__u32 place)
{
	__u32 *slot = bpf_map_lookup_elem(&slots, &place);
	return slot ? *slot : NO_SERVER;
}

#endif
