/* Sealing and opening gossip frames. Runs in gossipd. Pure: libsodium's deterministic functions only.
 * draft-irtf-cfrg-xchacha (XChaCha20-Poly1305), RFC 7693 (BLAKE2b), RFC 4303 3.4.3 (the sliding window). */
#include "gossipd/seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cur.h"
#include "lib/base/map.h"
#include "lib/base/must.h"

enum {
	VERSION = 1,
	HEADER = 24,
	TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	WINDOW_WORDS = SEAL_WINDOW / 64,
	MAX_SESSIONS = LIMIT_MEMBERS + 64,
};
enum kind { KIND_DATA = 1, KIND_CHALLENGE = 2, KIND_RESPONSE = 3, KIND_CLIENT = 4, KIND_SERVER = 5 };
static const uint8_t magic[2] = { 'I', 'g' };
#define TOKEN_LIFE SEC(10)

struct key {
	uint32_t id;
	uint8_t bytes[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
};
struct session {
	uint64_t id, newest;
	uint64_t seen[WINDOW_WORDS]; /* bit (counter mod SEAL_WINDOW) of the last SEAL_WINDOW counters */
	char name[LIMIT_NODE_NAME + 1];
};
struct seal {
	char name[LIMIT_NODE_NAME + 1];
	uint8_t local[32];
	uint64_t session, counter;
	size_t n_keys;
	struct key keys[SEAL_KEYS];
	struct map by_id, by_name; /* the same sessions twice; by_id owns them */
	uint64_t retired[SEAL_RETIRED];
	size_t n_retired;
};
struct header {
	uint8_t kind;
	uint32_t key_id;
	uint64_t session, counter;
};

const char *seal_reason(enum seal_verdict v)
{
	static const char *const names[SEAL_N] = {
#define X(constant, name) [SEAL_BAD_##constant] = name,
		SEAL_REASONS(X)
#undef X
	};
	return v < SEAL_N && names[v] ? names[v] : "";
}

struct seal *seal_new(const char *name, const uint8_t local[static 32], uint64_t session, uint64_t counter)
{
	size_t n = strlen(name);
	if (n > LIMIT_NODE_NAME)
		return NULL;
	struct seal *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	memcpy(s->name, name, n);
	memcpy(s->local, local, sizeof s->local);
	s->session = session;
	s->counter = counter;
	map_init(&s->by_id);
	map_init(&s->by_name);
	return s;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	map_fini(&s->by_name, NULL);
	map_fini(&s->by_id, free);
	sodium_memzero(s->keys, sizeof s->keys);
	free(s);
}

static void derive(const char *secret, struct key *ret)
{
	static const char purpose[] = "ingot gossip 1";
	uint8_t master[crypto_kdf_KEYBYTES], id[crypto_kdf_BYTES_MIN];
	crypto_generichash_state h;
	crypto_generichash_init(&h, NULL, 0, sizeof master);
	crypto_generichash_update(&h, (const uint8_t *)purpose, sizeof purpose);
	crypto_generichash_update(&h, (const uint8_t *)secret, strlen(secret));
	crypto_generichash_final(&h, master, sizeof master);
	crypto_kdf_derive_from_key(ret->bytes, sizeof ret->bytes, 1, "ingotgsp", master);
	crypto_kdf_derive_from_key(id, sizeof id, 2, "ingotgsp", master);
	struct cur c = cur_of(id, sizeof id);
	ret->id = cur_u32(&c);
	sodium_memzero(master, sizeof master);
	sodium_memzero(&h, sizeof h);
}

size_t seal_set_secrets(struct seal *s, const char *const *secrets, size_t n)
{
	sodium_memzero(s->keys, sizeof s->keys);
	s->n_keys = 0;
	for (size_t i = 0; i < n && s->n_keys < SEAL_KEYS; i++)
		if (secrets[i][0])
			derive(secrets[i], &s->keys[s->n_keys++]);
	return s->n_keys;
}

bool seal_has_key(const struct seal *s)
{
	return s->n_keys > 0;
}

uint64_t seal_session(const struct seal *s)
{
	return s->session;
}

uint64_t seal_counter(const struct seal *s)
{
	return s->counter;
}

static size_t put_frame(const struct seal *s, enum kind kind, uint64_t counter, const uint8_t *context,
			const uint8_t nonce[static SEAL_NONCE], const void *plain, size_t len, uint8_t *out,
			size_t cap)
{
	if (!s->n_keys || cap < SEAL_OVERHEAD || len > cap - SEAL_OVERHEAD)
		return 0;
	const struct key *k = &s->keys[0];
	uint8_t ad[HEADER + SEAL_CONTEXT];
	struct wbuf w = wbuf_of(ad, sizeof ad);
	wbuf_put(&w, magic, sizeof magic);
	wbuf_u8(&w, VERSION);
	wbuf_u8(&w, (uint8_t)kind);
	wbuf_u32(&w, k->id);
	wbuf_u64(&w, s->session);
	wbuf_u64(&w, counter);
	memcpy(out, ad, HEADER);
	if (context)
		wbuf_put(&w, context, SEAL_CONTEXT);
	memcpy(out + HEADER, nonce, SEAL_NONCE);
	unsigned long long sealed = 0;
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + HEADER + SEAL_NONCE, &sealed, plain, len, ad, w.len,
						   NULL, nonce, k->bytes);
	return HEADER + SEAL_NONCE + (size_t)sealed;
}

size_t seal_packet(struct seal *s, const uint8_t nonce[static SEAL_NONCE], const void *plain, size_t len,
		   uint8_t *out, size_t cap)
{
	size_t n = put_frame(s, KIND_DATA, s->counter, NULL, nonce, plain, len, out, cap);
	s->counter += n > 0;
	return n;
}

/* SEAL_DATA when the header is one of ours and its key is known. */
static enum seal_verdict get_header(const struct seal *s, const void *frame, size_t len, struct header *ret,
				    const struct key **key)
{
	if (len < SEAL_OVERHEAD)
		return SEAL_BAD_SHORT;
	struct cur c = cur_of(frame, len);
	const uint8_t *m = cur_take(&c, sizeof magic);
	if (memcmp(m, magic, sizeof magic) != 0 || cur_u8(&c) != VERSION)
		return SEAL_BAD_MAGIC;
	ret->kind = cur_u8(&c);
	ret->key_id = cur_u32(&c);
	ret->session = cur_u64(&c);
	ret->counter = cur_u64(&c);
	if (ret->kind < KIND_DATA || ret->kind > KIND_SERVER)
		return SEAL_BAD_FORMAT;
	for (size_t i = 0; i < s->n_keys; i++) {
		if (s->keys[i].id == ret->key_id) {
			*key = &s->keys[i];
			return SEAL_DATA;
		}
	}
	return SEAL_BAD_KEY;
}

static bool decrypt(const struct key *k, const uint8_t *context, const void *frame, size_t len,
		    uint8_t *plain, size_t *plain_len)
{
	struct cur c = cur_of(frame, len);
	uint8_t ad[HEADER + SEAL_CONTEXT];
	struct wbuf w = wbuf_of(ad, sizeof ad);
	wbuf_put(&w, cur_take(&c, HEADER), HEADER);
	if (context)
		wbuf_put(&w, context, SEAL_CONTEXT);
	const uint8_t *nonce = cur_take(&c, SEAL_NONCE);
	size_t n = cur_left(&c);
	unsigned long long got = 0;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &got, NULL, cur_take(&c, n), n, ad, w.len,
						       nonce, k->bytes) != 0)
		return false;
	*plain_len = (size_t)got;
	return true;
}

static struct session *find_session(const struct seal *s, uint64_t id)
{
	return map_get_n(&s->by_id, &id, sizeof id);
}

static bool window_has(const struct session *x, uint64_t counter)
{
	if (counter > x->newest)
		return false;
	if (x->newest - counter >= SEAL_WINDOW)
		return true;
	return x->seen[counter / 64 % WINDOW_WORDS] >> (counter % 64) & 1;
}

static void window_add(struct session *x, uint64_t counter)
{
	if (counter > x->newest) {
		if (counter - x->newest >= SEAL_WINDOW)
			memset(x->seen, 0, sizeof x->seen);
		else
			for (uint64_t i = x->newest + 1; i <= counter; i++)
				x->seen[i / 64 % WINDOW_WORDS] &= ~(UINT64_C(1) << (i % 64));
		x->newest = counter;
	}
	x->seen[counter / 64 % WINDOW_WORDS] |= UINT64_C(1) << (counter % 64);
}

/* What proves that a session lives now: nobody can know it before we said it. */
static void make_token(const struct seal *s, uint64_t session, int64_t slot, uint8_t ret[static SEAL_TOKEN])
{
	uint8_t in[16];
	struct wbuf w = wbuf_of(in, sizeof in);
	wbuf_u64(&w, session);
	wbuf_u64(&w, (uint64_t)slot);
	crypto_generichash(ret, SEAL_TOKEN, in, sizeof in, s->local, sizeof s->local);
}

static bool token_is_ours(const struct seal *s, mono_t now, uint64_t session, const uint8_t *token)
{
	for (int64_t back = 0; back < 2; back++) {
		uint8_t want[SEAL_TOKEN];
		make_token(s, session, now.us / TOKEN_LIFE - back, want);
		if (sodium_memcmp(want, token, sizeof want) == 0)
			return true;
	}
	return false;
}

static bool was_retired(const struct seal *s, uint64_t id)
{
	size_t n = s->n_retired < SEAL_RETIRED ? s->n_retired : SEAL_RETIRED;
	for (size_t i = 0; i < n; i++)
		if (s->retired[i] == id)
			return true;
	return false;
}

static void retire(struct seal *s, struct session *x)
{
	s->retired[s->n_retired++ % SEAL_RETIRED] = x->id;
	map_del_n(&s->by_id, &x->id, sizeof x->id);
	map_del(&s->by_name, x->name);
	free(x);
}

void seal_forget(struct seal *s, const char *name)
{
	struct session *x = map_get(&s->by_name, name);
	if (x)
		retire(s, x);
}

size_t seal_sessions(const struct seal *s)
{
	return map_len(&s->by_id);
}

static enum seal_verdict accept_session(struct seal *s, const struct header *h, const char *name,
					struct seal_opened *ret)
{
	struct session *old = map_get(&s->by_name, name);
	if (old && old->id == h->session) {
		if (window_has(old, h->counter))
			return SEAL_BAD_REPLAY;
		window_add(old, h->counter);
		ret->name = old->name;
		return SEAL_FRESH;
	}
	if (was_retired(s, h->session) || find_session(s, h->session))
		return SEAL_BAD_REPLAY;
	if (!old && map_len(&s->by_id) >= MAX_SESSIONS)
		return SEAL_BAD_FULL;
	struct session *x = calloc(1, sizeof *x);
	if (!x)
		return SEAL_BAD_FULL;
	if (old)
		retire(s, old);
	x->id = h->session;
	x->newest = h->counter;
	memset(x->seen, 0xff, sizeof x->seen); /* what was sent before the proof does not count */
	memcpy(x->name, name, strlen(name) + 1);
	if (map_set_n(&s->by_id, &x->id, sizeof x->id, x, NULL) < 0) {
		free(x);
		return SEAL_BAD_FULL;
	}
	if (map_set(&s->by_name, x->name, x, NULL) < 0) {
		map_del_n(&s->by_id, &x->id, sizeof x->id);
		free(x);
		return SEAL_BAD_FULL;
	}
	ret->name = x->name;
	return SEAL_FRESH;
}

static enum seal_verdict got_challenge(const struct seal *s, const struct header *h, struct cur c,
				       struct seal_opened *ret)
{
	uint64_t challenged = cur_u64(&c);
	cur_copy(&c, ret->token, SEAL_TOKEN);
	if (c.bad || cur_left(&c))
		return SEAL_BAD_FORMAT;
	if (challenged != s->session)
		return SEAL_BAD_TOKEN;
	ret->reply_kind = KIND_RESPONSE;
	ret->wants_reply = true;
	ret->session = h->session;
	ret->challenge_back = !find_session(s, h->session);
	return SEAL_REPLY;
}

static enum seal_verdict got_response(struct seal *s, mono_t now, const struct header *h, struct cur c,
				      struct seal_opened *ret)
{
	char name[LIMIT_NODE_NAME + 1] = "";
	uint8_t token[SEAL_TOKEN];
	size_t n = cur_u8(&c);
	const uint8_t *p = cur_take(&c, n);
	cur_copy(&c, token, sizeof token);
	bool back = cur_u8(&c) == 1;
	if (back)
		cur_copy(&c, ret->token, SEAL_TOKEN);
	if (c.bad || cur_left(&c) || n == 0 || n > LIMIT_NODE_NAME || memchr(p, 0, n))
		return SEAL_BAD_FORMAT;
	memcpy(name, p, n);
	if (strcmp(name, s->name) == 0)
		return SEAL_BAD_FORMAT;
	if (!token_is_ours(s, now, h->session, token))
		return SEAL_BAD_TOKEN;
	enum seal_verdict v = accept_session(s, h, name, ret);
	if (v == SEAL_FRESH && back) {
		ret->reply_kind = KIND_RESPONSE;
		ret->wants_reply = true;
		ret->session = h->session;
	}
	return v;
}

enum seal_verdict seal_open(struct seal *s, mono_t now, const void *frame, size_t len, uint8_t *plain,
			    struct seal_opened *ret)
{
	struct header h;
	const struct key *k = NULL;
	struct seal_opened o = { 0 };
	enum seal_verdict v = get_header(s, frame, len, &h, &k);
	if (v != SEAL_DATA)
		return v;
	if (h.kind > KIND_RESPONSE || h.session == s->session)
		return SEAL_BAD_FORMAT;
	struct session *x = find_session(s, h.session);
	if (x && window_has(x, h.counter))
		return SEAL_BAD_REPLAY;
	if (!decrypt(k, NULL, frame, len, plain, &o.len))
		return SEAL_BAD_AUTH;
	if (h.kind == KIND_RESPONSE) {
		v = got_response(s, now, &h, cur_of(plain, o.len), &o);
	} else if (h.kind == KIND_CHALLENGE) {
		if (x)
			window_add(x, h.counter);
		v = got_challenge(s, &h, cur_of(plain, o.len), &o);
	} else if (x) {
		window_add(x, h.counter);
		o.name = x->name;
	} else if (was_retired(s, h.session)) {
		v = SEAL_BAD_REPLAY;
	} else {
		o.reply_kind = KIND_CHALLENGE;
		o.wants_reply = true;
		o.session = h.session;
		v = SEAL_REPLY;
	}
	*ret = o;
	return v;
}

size_t seal_reply(struct seal *s, mono_t now, const struct seal_opened *o,
		  const uint8_t nonce[static SEAL_NONCE], uint8_t *out, size_t cap)
{
	uint8_t plain[SEAL_REPLY_MAX], token[SEAL_TOKEN];
	struct wbuf w = wbuf_of(plain, sizeof plain);
	make_token(s, o->session, now.us / TOKEN_LIFE, token);
	if (o->reply_kind == KIND_CHALLENGE) {
		wbuf_u64(&w, o->session);
		wbuf_put(&w, token, sizeof token);
	} else {
		wbuf_u8(&w, (uint8_t)strlen(s->name));
		wbuf_put(&w, s->name, strlen(s->name));
		wbuf_put(&w, o->token, SEAL_TOKEN);
		wbuf_u8(&w, o->challenge_back);
		if (o->challenge_back)
			wbuf_put(&w, token, sizeof token);
	}
	must(!w.bad);
	size_t n = put_frame(s, (enum kind)o->reply_kind, s->counter, NULL, nonce, plain, w.len, out, cap);
	s->counter += n > 0;
	return n;
}

size_t seal_stream(struct seal *s, bool client, const uint8_t context[static SEAL_CONTEXT], uint64_t index,
		   const uint8_t nonce[static SEAL_NONCE], const void *plain, size_t len, uint8_t *out,
		   size_t cap)
{
	return put_frame(s, client ? KIND_CLIENT : KIND_SERVER, index, context, nonce, plain, len, out, cap);
}

enum seal_verdict seal_stream_open(struct seal *s, bool client, const uint8_t context[static SEAL_CONTEXT],
				   uint64_t index, const void *frame, size_t len, uint8_t *plain,
				   size_t *plain_len)
{
	struct header h;
	const struct key *k = NULL;
	enum seal_verdict v = get_header(s, frame, len, &h, &k);
	if (v != SEAL_DATA)
		return v;
	if (h.kind != (client ? KIND_CLIENT : KIND_SERVER))
		return SEAL_BAD_FORMAT;
	if (h.counter != index)
		return SEAL_BAD_REPLAY;
	return decrypt(k, context, frame, len, plain, plain_len) ? SEAL_DATA : SEAL_BAD_AUTH;
}
