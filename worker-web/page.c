/* page.c - see page.h. Relies on the build being started in the root of the sources. */
#include "page.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

__asm__(".pushsection .rodata\n"
	".global web_page\n"
	"web_page:\n"
	".incbin \"worker-web/page.html\"\n"
	".byte 0\n"
	".popsection\n");

/* The hash of what stands between the two, as CSP wants it (CSP level 3, section 2.3.1). */
static int page_hash(const char *begin, const char *end, char *out, size_t size)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	const char *from = strstr(web_page, begin), *to = from ? strstr(from, end) : NULL;

	if (!to)
		return -ENOENT;
	from += strlen(begin);
	crypto_hash_sha256(hash, (const unsigned char *)from, (size_t)(to - from));
	sodium_bin2base64(out, size, hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
	return 0;
}

int page_policy(char out[PAGE_POLICY_MAX])
{
	char style[64], script[64];
	int error = page_hash("<style>", "</style>", style, sizeof(style));

	if (error == 0)
		error = page_hash("<script>", "</script>", script, sizeof(script));
	if (error == 0)
		snprintf(out, PAGE_POLICY_MAX,
			"default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
			"connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
			"frame-ancestors 'none'",
			style, script);
	return error;
}
