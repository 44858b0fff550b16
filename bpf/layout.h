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

/* In nanoseconds. */
#define SECOND 1000000000ULL

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
/* UDP: it has been answered. */
#define WORD_ANSWERED (1ULL << 12)

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
	/* Number of the template that it is under; 0: of none. */
	__u64 template;
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

/*
 * Persistence: a template remembers where a client's network was sent. It is found by its name, and lasts by its number:
 * one whose server cannot be used any more loses its name, and stands until its time is up and its connections have ended.
 *
 * Its word: flags, how many connections are under it (32 bits), and the topmost bits of its number.
 */
#define TEMPLATE_ASSURED 1ULL
#define TEMPLATE_NAMELESS 2ULL
#define TEMPLATE_DEAD 4ULL
#define TEMPLATE_ONE (1ULL << 8)
#define TEMPLATE_COUNT 0xffffffff00ULL
#define TEMPLATE_NUMBER 0xffffff0000000000ULL

struct template {
	__u64 word;
	__u64 expires;
	/* From each new connection on. */
	__u64 timeout;
	__u32 server;
	/* As it is shown; 0 where connections under it differ in theirs. */
	__u16 server_port;
	__u16 unused;
	/* From the client's network to the service. Of a firewall mark: protocol 0, and the mark as its address. */
	struct flow_key name;
};

/* Of a firewall mark: protocol 0, and the mark as its address, as the machine has numbers. */
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
	RULE_TWOS,
	RULE_LBLC,
	RULE_LBLCR,
};

/* Hashing looks on when its server is not usable; the client's port is hashed, too. */
#define SERVICE_FALLBACK 1
#define SERVICE_PORT 2
/* Each datagram is scheduled by itself. */
#define SERVICE_ONE_PACKET 4
#define SERVICE_MARK 8

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
	/* Persistence: seconds, or 0; and what of a client's address counts. */
	__u32 timeout;
	__u32 mask[4];
	__u16 port;
	__u16 unused;
	/* lblc and lblcr: whose destinations are its own; another number each time that it is scheduled anew. */
	__u32 locality;
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
	/* Templates that lead here. The program's own. */
	__u32 persistent;
	__u32 unused[12];
};

/* An interface's Ethernet address. */
struct port {
	__u8 address[6];
	__u16 unused;
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
#define LOOKUP_MARK 1
#define LOOKUP_FTP 2
#define LOOKUP_ANY_PORT 4

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
	__u32 expire_nodest_conn;
	__u32 expire_quiescent_template;
	__u32 sloppy_tcp;
	__u32 schedule_icmp;
	__u32 pmtu_disc;
	/* drop_packet: of those that would be scheduled every so many is dropped; 0: none. */
	__u32 drop_rate;
	/* What services there are beside those of one address and port: whether it makes sense to look for one. */
	__u32 lookups;
	__u32 most_templates;
	__s32 lblcr_expiration;
	/* The director's own: all sysctls as they were set. */
	__s32 sysctls[32];
	/* The next state, by direction, event and state. */
	__u8 next_states[DIRECTIONS * EVENTS * STATES];
};

struct totals {
	__u64 connections;
	__u64 half_open;
	/* New connections that were turned away: the table was full; the share of half-open ones was. */
	__u64 refused_full;
	__u64 refused_half_open;
	__u64 templates;
	/* With drop_packet: packets that would have begun a connection. */
	__u64 candidates;
};

/* What lblc and lblcr remember of an address that clients connect to. */
struct destination_key {
	__u32 address[4];
	__u32 locality;
};

struct destination {
	/* CLOCK_MONOTONIC, as `changed`. */
	__u64 last_use;
	/* lblcr: when its set last grew or shrank. */
	__u64 changed;
	/* lblc: its server. */
	__u32 server;
	/* lblcr: how many servers it has, the number of the next one, and whether somebody is changing the set. */
	__u32 count;
	__u32 next;
	__u32 is_held;
};

/* lblcr's sets, in pieces of so many servers. They are in no order: the higher the number, the newer. */
#define REPLICAS 32

struct replicas_key {
	struct destination_key destination;
	__u32 piece;
};

struct replica {
	__u32 server;
	__u32 number;
};

struct replicas {
	struct replica list[REPLICAS];
};

/* By service, lblc and lblcr: destinations that the program has added, and that the director has taken out; both go round. */
struct locality {
	__u32 added;
	__u32 forgotten;
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
