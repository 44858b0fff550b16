/* SPDX-License-Identifier: GPL-2.0 */
/* The server of a new connection, decision for decision as src/lvs/schedulers. */
#ifndef BATON_SCHEDULE_H
#define BATON_SCHEDULE_H

#include "hash.h"
#include "lblc.h"
#include "lblcr.h"
#include "least.h"
#include "turns.h"
#include "twos.h"

/*
 * A slot, or NO_SERVER; `chance` is any number. Global, as all that has many ways through it: the verifier looks at it once,
 * by itself.
 */
__noinline __u32 pick(const struct service *service, const struct flow_key *key, __u64 at, __u32 chance)
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
	case RULE_TWOS:
		return pick_drawn(service, chance);
	case RULE_LBLC:
		return pick_local(service, key, at);
	case RULE_LBLCR:
		return pick_replicated(service, key, at);
	default:
		return pick_least(service, service->rule);
	}
}

#endif
