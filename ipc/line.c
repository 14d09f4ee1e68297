/* line.c - see line.h. Pure over a checked message. */
#include "line.h"

#include <ctype.h>

static bool line_has_form(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!isxdigit((unsigned char)text.p[i]))
			return false;
	return text.n == LINE_LENGTH;
}

bool line_of_request(const struct message *m, struct str *out)
{
	const struct uri *uri = &m->request_uri;
	struct str value;

	if (!m->is_request || uri->params.length <= LINE_LENGTH ||
		(uri->scheme != URI_SIP && uri->scheme != URI_SIPS))
		return false;
	if (!uri_param_find(message_str(m, uri->params), S(LINE_NAME), &value) ||
		!line_has_form(value))
		return false;
	*out = value;
	return true;
}
