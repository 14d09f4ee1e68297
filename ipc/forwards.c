/* forwards.c - see forwards.h. */
#include "forwards.h"

#include "octet.h"
#include "uri.h"

#include <errno.h>

static const char *const forward_when_names[FORWARD_WHENS] = {
	"always", "busy", "no-answer", "away"};

const char *forward_when_name(enum forward_when when)
{
	return when < FORWARD_WHENS ? forward_when_names[when] : "?";
}

enum forward_when forward_when_of(struct str name)
{
	for (unsigned i = 0; i < FORWARD_WHENS; i++)
		if (str_equal(name, str_of(forward_when_names[i])))
			return i;
	return FORWARD_WHENS;
}

uint32_t forward_hash(unsigned domain, struct str name, enum forward_when when)
{
	uint32_t hash = users_hash(domain, name) + (uint32_t)when * 0x9e3779b9u;

	return hash ? hash : 1;
}

static bool forward_to_is_sane(struct str to)
{
	struct uri_parts uri;

	return uri_parse(to, &uri) == 0 && uri.user.n &&
	       (uri.scheme == URI_SIP || uri.scheme == URI_SIPS || uri.scheme == URI_TEL);
}

static bool forward_row_is_sane(const struct forward_row *row)
{
	const struct str name = {row->name, row->name_length}, to = {row->to, row->to_length};

	return row->when < FORWARD_WHENS && row->name_length && row->name_length <= USER_NAME_MAX &&
	       row->to_length && row->to_length <= FORWARD_TO_MAX &&
	       row->seconds <= FORWARD_SECONDS_MOST &&
	       (row->when != FORWARD_NO_ANSWER || row->seconds >= FORWARD_SECONDS_LEAST) &&
	       row->hash == forward_hash(row->domain, name, row->when) && forward_to_is_sane(to);
}

int forwards_check(const void *image, size_t size)
{
	const struct forwards *f = image;
	uint32_t count = 0;

	if (size < sizeof(*f) || f->magic != FORWARDS_MAGIC || f->size != size ||
		f->count > FORWARDS_MAX || f->mask >= 4 * FORWARDS_MAX || (f->mask & (f->mask + 1)))
		return -EBADMSG;
	if (size != sizeof(*f) + (f->mask + (size_t)1) * sizeof(f->row[0]))
		return -EBADMSG;
	for (uint32_t i = 0; i <= f->mask; i++) {
		if (!f->row[i].hash)
			continue;
		if (!forward_row_is_sane(&f->row[i]))
			return -EBADMSG;
		count++;
	}
	return count == f->count && count <= f->mask ? 0 : -EBADMSG;
}

const struct forward_row *forwards_find(
	const struct forwards *f, unsigned domain, struct str name, enum forward_when when)
{
	if (!f || !f->count)
		return NULL;
	uint32_t hash = forward_hash(domain, name, when);

	for (uint32_t i = hash & f->mask; f->row[i].hash; i = (i + 1) & f->mask) {
		const struct forward_row *row = &f->row[i];

		if (row->hash == hash && row->domain == domain && row->when == when &&
			str_equal((struct str){row->name, row->name_length}, name))
			return row;
	}
	return NULL;
}

static bool forward_has_scheme(struct str text)
{
	static const struct str schemes[] = {{"sip:", 4}, {"sips:", 5}, {"tel:", 4}};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (text.n > schemes[i].n &&
			str_equal_nocase((struct str){text.p, schemes[i].n}, schemes[i]))
			return true;
	return false;
}

static bool forward_put(char out[FORWARD_TO_MAX + 1], size_t *n, struct str text)
{
	if (text.n > FORWARD_TO_MAX - *n)
		return false;
	if (text.n)
		memcpy(out + *n, text.p, text.n);
	*n += text.n;
	out[*n] = '\0';
	return true;
}

long forward_uri(struct str text, struct str domain, char out[FORWARD_TO_MAX + 1])
{
	size_t at = str_find(text, '@'), n = 0;
	bool scheme = forward_has_scheme(text), host = at < text.n;

	/* another scheme, or a password, which is none of an address */
	if (!scheme && str_find(text, ':') < at)
		return -EINVAL;
	if (!scheme && !forward_put(out, &n, S("sip:")))
		return -EINVAL;
	if (!forward_put(out, &n, text))
		return -EINVAL;
	if (!scheme && !host && !(forward_put(out, &n, S("@")) && forward_put(out, &n, domain)))
		return -EINVAL;
	return forward_to_is_sane((struct str){out, n}) ? (long)n : -EINVAL;
}

bool forward_is_own(struct str uri, struct str user, struct str domain)
{
	struct uri_parts parts;
	char name[USER_NAME_MAX + 1];

	if (uri_parse(uri, &parts) || parts.scheme == URI_TEL)
		return false;
	long n = uri_unescape(parts.user, name, sizeof(name));
	return n > 0 && str_equal((struct str){name, (size_t)n}, user) &&
	       str_equal_nocase(parts.host, domain);
}
