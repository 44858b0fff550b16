/* SPDX-License-Identifier: GPL-2.0 */
/* The server of a new connection, decision for decision as src/lvs/schedulers. */
#ifndef BATON_SCHEDULE_H
#define BATON_SCHEDULE_H

#include "hash.h"
#include "least.h"
#include "turns.h"

/* A slot, or NO_SERVER. Global, as all that has many ways through it: the verifier looks at it once, by itself. */
__noinline __u32 pick(const struct service *service, const struct flow_key *key)
{
	if (!service || !key || service->count == 0)
		return NO_SERVER;
	switch (service->rule) {
	case RULE_NONE:
		return NO_SERVER;
	case RULE_RR:
		return pick_next(service);
	case RULE_WRR:
		return pick_reaching(service);
	case RULE_SH:
	case RULE_MH:
	case RULE_DH:
		return pick_hashed(service, key);
	default:
		return pick_least(service, service->rule);
	}
}

#endif
