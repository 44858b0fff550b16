/* SPDX-License-Identifier: GPL-2.0 */
/* Which service a new connection is for: the one at just this address and port. */
#ifndef BATON_LOOKUP_H
#define BATON_LOOKUP_H

#include "parse.h"

static __always_inline struct service *find_service(const struct flow_key *key)
{
	struct service_key wanted = { .port = key->destination_port, .protocol = key->protocol, .family = key->family };

	__builtin_memcpy(wanted.address, key->destination, sizeof(wanted.address));
	return bpf_map_lookup_elem(&services, &wanted);
}

#endif
