/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the program and the director share: keys and values of the maps. The director's side is
 * src/engines/ebpf/layout.ts; a test compares both by the object's type information.
 *
 * Addresses are in network order, an IPv4 address in the first word with zeros behind it; ports are in network order.
 */
#ifndef BATON_LAYOUT_H
#define BATON_LAYOUT_H

#include <linux/types.h>

#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

/* Both directions of a connection have an entry; a packet finds its own by its ends, as it came. */
struct flow_key {
	__u32 source[4];
	__u32 destination[4];
	__u16 source_port;
	__u16 destination_port;
	__u8 protocol;
	__u8 family;
	__u16 unused;
};

enum flow_kind { FLOW_CONNECTION = 1, FLOW_REPLY = 2 };

/*
 * The word changes only as a whole, by compare-and-exchange, so that what is counted on servers stays exact:
 * the connection's number (32 bits), flags, and the state's code (8 bits).
 */
#define WORD_STATE 0xffULL
#define WORD_ACTIVE (1ULL << 8)
#define WORD_DEAD (1ULL << 9)
#define WORD_INPUT_ONLY (1ULL << 10)
#define WORD_HALF_OPEN (1ULL << 11)

/* The way on that the kernel gave for a flow's packets; bpf/route.h. */
struct hop {
	__u32 generation;
	__u32 question;
	__u32 interface;
	__u8 to[6];
	__u8 from[6];
};

/* Of a way that is being written. */
#define NO_GENERATION 0xffffffffU

/* 96 bytes at most: an entry with its key then takes 192 of the kernel's memory, and one byte more takes 256. */
struct flow {
	__u64 word;
	/* CLOCK_MONOTONIC */
	__u64 expires;
	__u32 server;
	__u8 kind;
	__u8 forwarding;
	/* Of the way that is kept in `hop`. */
	__u16 mtu;
	/* Of a connection: its server as source, its client as destination. Of a reply: the key of its connection. */
	struct flow_key other;
	struct hop hop;
};

/* What the director says of ways that are kept: those of this generation hold, up to a time (CLOCK_MONOTONIC). */
struct vouched {
	__u64 until;
	__u32 generation;
	__u32 unused;
};

struct service_key {
	__u32 address[4];
	__u16 port;
	__u8 protocol;
	__u8 family;
};

enum scheduler_rule {
	RULE_NONE,
	RULE_RR,
	RULE_WRR,
	RULE_LC,
	RULE_WLC,
	RULE_SED,
	RULE_NQ,
	RULE_FO,
	RULE_OVF,
	RULE_SH,
	RULE_MH,
	RULE_DH,
};

/* Hashing looks on when its server is not usable; the client's port is hashed, too. */
#define SERVICE_FALLBACK 1
#define SERVICE_PORT 2

/* Replaced as a whole, so that a packet sees the old list or the new one. */
struct service {
	__u32 slot;
	/* Another list or scheduler: what the last pick left behind counts no more, `last` and `bar` do. */
	__u32 generation;
	/* Where its servers stand in `slots`, newest first, and the table of hashing schedulers. */
	__u32 members;
	__u32 count;
	__u32 table;
	__u32 table_size;
	/* Place of the last pick; -1: before the first. */
	__s32 last;
	/* wrr: the bar and its bounds. */
	__u32 bar;
	__u32 highest;
	__u32 step;
	__u8 rule;
	__u8 flags;
	/* The director's own: ipvsadm's scheduler flags as bits, and in which order services came. */
	__u16 kept;
	__u32 order;
};

enum forwarding { FORWARD_MASQ, FORWARD_LOCAL, FORWARD_TUNNEL, FORWARD_DIRECT };
/* TUNNEL_PLAIN: IPIP, without having been told. */
enum tunnel { TUNNEL_PLAIN, TUNNEL_IPIP, TUNNEL_GUE, TUNNEL_GRE };
enum server_use { SERVER_FREE, SERVER_INSTALLED, SERVER_LEAVING };

struct server {
	__u32 address[4];
	__u16 port;
	__u8 family;
	__u8 forwarding;
	__u8 use;
	__u8 tunnel;
	/* Of GUE, in network order. */
	__u16 tunnel_port;
	__u32 weight;
	__u32 last_weight;
	__u32 upper;
	__u32 lower;
	/* The program's own, changed atomically. */
	__u32 active;
	__u32 inactive;
	__u32 overloaded;
	__u32 service;
	/* Towards it, where forwarding is switched off: the way out, and for tunnels the outer source. */
	__u32 interface;
	__u32 source[4];
	__u32 unused[13];
};

struct statistics {
	__u64 connections;
	__u64 packets_in;
	__u64 packets_out;
	__u64 bytes_in;
	__u64 bytes_out;
};

enum direction { DIRECTION_IN, DIRECTION_OUT, DIRECTION_INPUT_ONLY, DIRECTIONS };
enum tcp_event { EVENT_RST, EVENT_SYN, EVENT_FIN, EVENT_ACK, EVENT_NONE, EVENTS };
#define STATES 16

struct settings {
	/* Nanoseconds by TCP state; UDP. */
	__u64 tcp_timeouts[STATES];
	__u64 udp_timeout;
	/* Of half-open connections while more than half of their share is taken. */
	__u64 hurried_timeout;
	__u32 most_connections;
	__u32 most_half_open;
	/* Bits by TCP state. */
	__u16 active_states;
	__u16 half_open_states;
	__u16 reuse_states;
	/* Of connections whose replies do not pass. */
	__u16 reuse_input_only_states;
	/* The kernel's sysctls of these names. */
	__u32 conn_reuse_mode;
	__u32 expire_nodest_conn;
	__u32 sloppy_tcp;
	__u32 unused;
	/* The next state, by direction, event and state. */
	__u8 next_states[DIRECTIONS * EVENTS * STATES];
};

struct totals {
	__u64 connections;
	__u64 half_open;
	/* New connections that were turned away: the table was full; the share of half-open ones was. */
	__u64 refused_full;
	__u64 refused_half_open;
};

struct fragment_key {
	__u32 source[4];
	__u32 destination[4];
	__u32 id;
	__u8 protocol;
	__u8 family;
	__u16 unused;
};

struct fragment {
	__u16 source_port;
	__u16 destination_port;
};

/* Server places that lead nowhere. */
#define NO_SERVER 0xffffffffU

#endif
