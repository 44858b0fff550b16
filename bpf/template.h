/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Persistence (src/lvs/persistence.ts): templates are found by their clients' networks, held by each connection under them,
 * and ended when their time is up and nobody holds them. Who sets TEMPLATE_NAMELESS in a word takes the name away, who sets
 * TEMPLATE_DEAD the template: so each goes once, and a held one stays.
 */
#ifndef BATON_TEMPLATE_H
#define BATON_TEMPLATE_H

#include "lookup.h"

#define TEMPLATE_ATTEMPTS 16
/* One that still has connections when its time is up gets this, and keeps it for later restarts. */
#define POSTPONED (60 * SECOND)

/* Its memory may have become another's meanwhile: its word says whose it is. */
static __always_inline struct template *template_at(__u64 number)
{
	struct template *found = bpf_map_lookup_elem(&templates, &number);

	return found && !((found->word ^ number) & TEMPLATE_NUMBER) ? found : 0;
}

/* Adds to a word that is still this number's, unless it has one of the flags in `unless`. The word before, or TEMPLATE_DEAD. */
static __always_inline __u64 change_template(struct template *template, __u64 number, __u64 unless, __u64 set, __u64 add)
{
	__u64 before = *(volatile __u64 *)&template->word;

	for (int attempt = 0; attempt < TEMPLATE_ATTEMPTS; attempt++) {
		__u64 seen;

		if (before & unless || (before ^ number) & TEMPLATE_NUMBER)
			break;
		seen = __sync_val_compare_and_swap(&template->word, before, (before | set) + add);
		if (seen == before)
			return before;
		before = seen;
	}
	return TEMPLATE_DEAD;
}

/* Ends one that nobody holds; 1 when that was done here. */
__noinline int end_template(__u64 number)
{
	struct template *template = template_at(number);
	struct totals *sums = current_totals();
	struct flow_key name;
	struct server *server;
	__u64 before;

	if (!template || !sums)
		return 0;
	before = change_template(template, number, TEMPLATE_DEAD | TEMPLATE_COUNT, TEMPLATE_DEAD | TEMPLATE_NAMELESS, 0);
	if (before & TEMPLATE_DEAD)
		return 0;
	name = template->name;
	if (!(before & TEMPLATE_NAMELESS))
		bpf_map_delete_elem(&remembered, &name);
	server = server_at(template->server);
	bpf_map_delete_elem(&templates, &number);
	if (server)
		__sync_fetch_and_add(&server->persistent, -1);
	__sync_fetch_and_add(&sums->templates, -1);
	return 1;
}

/* Of a connection under it: it stands as long as that. */
static __always_inline void release_template(__u64 number)
{
	struct template *template = template_at(number);

	if (template)
		__sync_fetch_and_add(&template->word, -TEMPLATE_ONE);
}

/* A connection under it works: drop_entry spares it from now on. */
static __always_inline void assure_template(__u64 number)
{
	struct template *template = template_at(number);

	if (template && !(template->word & TEMPLATE_ASSURED))
		__sync_fetch_and_or(&template->word, TEMPLATE_ASSURED);
}

static __always_inline void name_template(const struct service *service, const struct flow_key *key, __u32 mark,
					  struct flow_key *name)
{
	for (int word = 0; word < 4; word++)
		name->source[word] = key->source[word] & service->mask[word];
	name->family = key->family;
	if (service->flags & SERVICE_MARK) {
		name->destination[0] = bpf_htonl(mark);
		return;
	}
	name->protocol = key->protocol;
	__builtin_memcpy(name->destination, key->destination, 16);
	if (is_own_port(service, key) && service->port != bpf_htons(FTP_PORT))
		name->destination_port = key->destination_port;
}

/* Whether a template still leads on. One whose time is up does while it has connections. */
static __always_inline int leads_on(const struct template *template, const struct server *server, const struct settings *now, __u64 at)
{
	if (at >= template->expires && !(template->word & TEMPLATE_COUNT))
		return 0;
	return server->use == SERVER_INSTALLED && !(now->expire_quiescent_template && server->weight == 0);
}

/* One that leads nowhere any more is found by nobody; its end is left to the director. */
static __always_inline void unname(struct template *template, __u64 number, const struct flow_key *name)
{
	if (!(change_template(template, number, TEMPLATE_DEAD | TEMPLATE_NAMELESS, TEMPLATE_NAMELESS, 0) & TEMPLATE_DEAD))
		bpf_map_delete_elem(&remembered, name);
}

/*
 * The template of that name, held once more, with `chosen` its server; 0 when there is none that leads on. One that does
 * not loses its name.
 */
__noinline __u64 recall(const struct flow_key *asked, __u64 at, __u32 *chosen)
{
	struct settings *now = current_settings();
	struct flow_key name;
	struct template *template;
	struct server *server;
	__u64 *found, number;

	if (!asked || !chosen || !now)
		return 0;
	name = *asked;
	found = bpf_map_lookup_elem(&remembered, &name);
	if (!found)
		return 0;
	number = *found;
	template = template_at(number);
	if (!template)
		return 0;
	server = server_at(template->server);
	if (!server)
		return 0;
	if (!leads_on(template, server, now, at)) {
		unname(template, number, &name);
		return 0;
	}
	if (change_template(template, number, TEMPLATE_DEAD | TEMPLATE_NAMELESS, 0, TEMPLATE_ONE) & TEMPLATE_DEAD)
		return 0;
	if (at >= template->expires)
		template->timeout = POSTPONED;
	template->expires = at + template->timeout;
	*chosen = template->server;
	return number;
}

/* A new one, `word`: its flags, and whether it is held; 0 when there is no room. */
static __always_inline __u64 plant(const struct flow_key *name, __u64 at, __u64 timeout, __u32 slot, __u16 port, __u64 word)
{
	struct settings *now = current_settings();
	struct totals *sums = current_totals();
	struct server *server = server_at(slot);
	struct template made = { .server = slot, .server_port = port, .timeout = timeout, .expires = at + timeout }, *standing;
	__u64 number;

	if (!now || !sums || !server || sums->templates >= now->most_templates)
		return 0;
	number = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
	made.word = (number & TEMPLATE_NUMBER) + word;
	made.name = *name;
	__sync_fetch_and_add(&server->persistent, 1);
	__sync_fetch_and_add(&sums->templates, 1);
	if (bpf_map_update_elem(&templates, &number, &made, BPF_NOEXIST)) {
		__sync_fetch_and_add(&server->persistent, -1);
		__sync_fetch_and_add(&sums->templates, -1);
		return 0;
	}
	if (bpf_map_update_elem(&remembered, &made.name, &number, BPF_NOEXIST) == 0)
		return number;
	/* Another processor was first with this client. */
	standing = template_at(number);
	if (standing) {
		standing->expires = at;
		__sync_fetch_and_or(&standing->word, TEMPLATE_NAMELESS);
		if (word & TEMPLATE_COUNT)
			__sync_fetch_and_add(&standing->word, -TEMPLATE_ONE);
	}
	return 0;
}

/* A new one, held once; 0 when there is no room: then this client is not remembered. */
__noinline __u64 remember(const struct flow_key *name, __u64 at, __u32 seconds, __u32 slot)
{
	struct server *server = server_at(slot);

	if (!name || !server)
		return 0;
	return plant(name, at, seconds * SECOND, slot, name->destination_port ? server->port : 0, TEMPLATE_ONE);
}

#endif
