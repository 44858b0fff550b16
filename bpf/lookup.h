/* SPDX-License-Identifier: GPL-2.0 */
/* Which service a new connection is for, in the order of src/lvs/service-lookup.ts. */
#ifndef BATON_LOOKUP_H
#define BATON_LOOKUP_H

#include "parse.h"

#define FTP_PORT 21
/* Data connections that an FTP server begins are never scheduled. */
#define FTP_DATA_PORT 20
#define FIRST_UNPRIVILEGED_PORT 1024

/* A data connection of an FTP service: on its address, to a port that nothing else has. */
static __always_inline int may_be_ftp_data(const struct flow_key *key)
{
	__u16 port = bpf_ntohs(key->destination_port);

	return key->protocol == IPPROTO_TCP && (port == FTP_DATA_PORT || port >= FIRST_UNPRIVILEGED_PORT);
}

static __always_inline struct service *find_service(const struct packet *packet, __u32 lookups)
{
	const struct flow_key *key = &packet->key;
	struct service_key wanted = { .family = key->family };
	struct service *found;

	if (packet->mark && lookups & LOOKUP_MARK) {
		wanted.address[0] = packet->mark;
		found = bpf_map_lookup_elem(&services, &wanted);
		if (found)
			return found;
	}
	__builtin_memcpy(wanted.address, key->destination, sizeof(wanted.address));
	wanted.protocol = key->protocol;
	wanted.port = key->destination_port;
	found = bpf_map_lookup_elem(&services, &wanted);
	if (!found && lookups & LOOKUP_FTP && may_be_ftp_data(key)) {
		wanted.port = bpf_htons(FTP_PORT);
		found = bpf_map_lookup_elem(&services, &wanted);
	}
	if (!found && lookups & LOOKUP_ANY_PORT) {
		wanted.port = 0;
		found = bpf_map_lookup_elem(&services, &wanted);
	}
	return found;
}

/* Whether the packet is for the service's one port; a service of a mark has none. */
static __always_inline int is_own_port(const struct service *service, const struct flow_key *key)
{
	return !(service->flags & SERVICE_MARK) && service->port == key->destination_port;
}

#endif
