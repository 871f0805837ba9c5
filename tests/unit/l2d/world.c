/* The scripted world of the responder's tests. */
#include "tests/unit/l2d/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const uint8_t eth0_mac[] = { 2, 0, 0, 0, 1, 0 }, eth1_mac[] = { 2, 0, 0, 0, 1, 1 },
	      host_mac[] = { 2, 0, 0, 0, 9, 9 }, member_mac[] = { 2, 0, 0, 0, 2, 2 };

addr_t world_ip(const char *text)
{
	addr_t a = { 0 };
	assert_true(addr_parse(text, &a));
	return a;
}

void world_link(struct world *w, uint32_t index, bool arp, bool ndp)
{
	struct link k = { .index = index, .up = arp || ndp, .arp = arp, .ndp = ndp };
	snprintf(k.name, sizeof k.name, "eth%u", index - ETH0);
	memcpy(k.mac, index == ETH0 ? eth0_mac : eth1_mac, 6);
	k.link_local = world_ip(index == ETH0 ? "fe80::100" : "fe80::101");
	responder_link(&w->r, &k, w->now);
}

void world_init(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->now.us = SEC(1000);
	w->metrics = metrics_new();
	members_init(&w->members);
	responder_init(&w->r, w->metrics, &w->members);
	assert_int_equal(members_put(&w->members, "other", &member_mac, 1), 0);
	world_link(w, ETH0, true, true);
	world_link(w, ETH1, true, true);
}

void world_fini(struct world *w)
{
	assert_false(w->r.oom);
	responder_fini(&w->r);
	members_fini(&w->members);
	metrics_free(w->metrics);
}

void world_clear(struct world *w)
{
	w->requests = w->replies = w->adverts = w->probes = w->answers = 0;
	memset(w->actions, 0, sizeof w->actions);
}

void world_own(struct world *w, const char *ip, bool mine, bool hold, uint64_t term, const char *interfaces)
{
	char names[VIP_MAX_NAMES][LINK_NAME] = { 0 };
	struct ownership o = { .addr = world_ip(ip),
			       .mine = mine,
			       .hold = hold,
			       .term = term,
			       .epoch = 1,
			       .all_interfaces = !interfaces[0],
			       .names = names };
	for (const char *p = interfaces; *p; p += strcspn(p, ","), p += *p == ',')
		snprintf(names[o.n_names++], LINK_NAME, "%.*s", (int)strcspn(p, ","), p);
	responder_own(&w->r, &o, w->now);
}

static void take_frame(struct world *w, const struct out_frame *o)
{
	w->last = *o;
	if (o->kind == OUT_REPLY)
		w->answers++;
	else if (o->kind == OUT_PROBE)
		w->probes++;
	else if (o->nd)
		w->adverts++;
	else if (o->bytes[21] == ARP_REQUEST)
		w->requests++;
	else
		w->replies++;
}

static void flush(struct world *w)
{
	for (size_t i = 0; i < w->box.n; i++)
		take_frame(w, &w->box.v[i]);
	responder_sent(&w->r, &w->box, 0, w->box.n, true);
	w->box.n = 0;
}

void world_settle(struct world *w)
{
	bool more = true;
	while (more) {
		more = responder_tick(&w->r, w->now, &w->box);
		flush(w);
	}
	for (size_t i = 0; i < w->r.n_actions; i++) {
		const struct action *a = &w->r.actions[i];
		char text[ADDR_TEXT];
		w->actions[a->kind]++;
		if (a->kind == ACTION_GONE)
			snprintf(w->gone, sizeof w->gone, "%s%%%s", addr_text(a->addr, text), a->name);
	}
	responder_clear_actions(&w->r);
}

void world_wait(struct world *w, int64_t us)
{
	mono_t end = mono_add(w->now, us);
	while (!mono_before(end, responder_next(&w->r))) {
		if (mono_before(w->now, responder_next(&w->r)))
			w->now = responder_next(&w->r);
		world_settle(w);
	}
	w->now = end;
	world_settle(w);
}

enum l2_result world_arp(struct world *w, uint32_t index, uint16_t op, const uint8_t *from,
			 const char *sender, const char *target)
{
	uint8_t frame[ARP_PADDED];
	struct arp a = { .op = op };
	memcpy(a.dst, mac_broadcast, 6);
	memcpy(a.src, from, 6);
	memcpy(a.sender_mac, from, 6);
	memcpy(a.sender_ip, world_ip(sender).bytes, 4);
	memcpy(a.target_ip, world_ip(target).bytes, 4);
	arp_build(&a, frame);
	enum l2_result result = responder_arp(&w->r, index, frame, sizeof frame, w->now, &w->box);
	flush(w);
	return result;
}

static void put_checksum(uint8_t *frame, size_t len)
{
	uint32_t sum = (uint32_t)(len - 54) + 58;
	frame[56] = frame[57] = 0;
	for (size_t i = 22; i < len; i++)
		sum += i % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[56] = (uint8_t)(~sum >> 8);
	frame[57] = (uint8_t)~sum;
}

static enum l2_result give_ndp(struct world *w, uint32_t index, const uint8_t *frame, size_t len)
{
	struct ndp router;
	enum l2_result result = responder_ndp(&w->r, index, frame, len, w->now, &w->box, &router);
	flush(w);
	return result;
}

enum l2_result world_solicit(struct world *w, uint32_t index, const char *source, const char *target,
			     bool option)
{
	uint8_t frame[NDP_MAX] = { 0 };
	size_t len = ndp_probe_build(host_mac, world_ip(target), frame);
	memcpy(frame + 22, world_ip(source).bytes, 16);
	if (option) {
		frame[len] = frame[len + 1] = 1;
		memcpy(frame + len + 2, host_mac, 6);
		len += 8;
		frame[19] = 32;
	}
	put_checksum(frame, len);
	return give_ndp(w, index, frame, len);
}

enum l2_result world_advert(struct world *w, uint32_t index, const uint8_t *from, const char *target,
			    bool override)
{
	uint8_t frame[NDP_MAX];
	struct ndp_advert a = ndp_announcement(from, world_ip("fe80::7"), world_ip(target));
	a.override = override;
	return give_ndp(w, index, frame, ndp_advert_build(&a, frame));
}

struct vip_if *world_on(struct world *w, const char *ip, uint32_t index)
{
	const struct vip *v = responder_find(&w->r, world_ip(ip));
	return v ? vip_on(v, index) : NULL;
}
