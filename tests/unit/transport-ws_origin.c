/* transport-ws_origin.c - the origins whose pages may make WebSocket connections, and programs that
 * have none (RFC 6455 section 10.2). */
#include "transport-ws.h"

/* other: NULL, or a second one. */
static void allow_origins(struct image *image, const char *one, const char *other)
{
	uint32_t used = sizeof(image->pool) - 32;

	image->origin[0] = text_in(image, &used, one);
	if (other)
		image->origin[1] = text_in(image, &used, other);
	image->listener[ACCESS_WS].origins = (struct array){
		offsetof(struct image, origin), other ? 2 : 1};
	cr_assert_eq(settings_check(image, sizeof(*image)), 0);
}

/* The lines that end a request to upgrade, and how its answer begins. */
struct upgrade {
	const char *lines, *answer;
};
#define UPGRADED "HTTP/1.1 101 "
#define FORBIDDEN "HTTP/1.1 403 "

static void assert_upgrades(struct fixture *f, const struct upgrade *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int fd = dial("127.0.0.1", f->port[ACCESS_WS]);

		tell(fd, REQUEST, sizeof(REQUEST) - 1);
		tell(fd, rows[i].lines, strlen(rows[i].lines));
		heard = 0;
		UNTIL(f, hears(fd, 20));
		cr_assert(strncmp(buffer, rows[i].answer, 13) == 0, "%zu: %.30s", i, buffer);
		if (strcmp(rows[i].answer, FORBIDDEN) == 0)
			UNTIL(f, ended(fd));
		close(fd);
	}
}

static void one_origin(struct image *image)
{
	allow_origins(image, "https://app.example.net", NULL);
}

Test(ws_origin, origins)
{
	static const struct upgrade rows[] = {
		{"Origin: https://app.example.net\r\n\r\n", UPGRADED},
		{"Origin: https://evil.example\r\n\r\n", FORBIDDEN},
		{"Origin: null\r\n\r\n", FORBIDDEN},
		{"\r\n", FORBIDDEN},
	};
	struct fixture *f = fixture_new(one_origin);

	assert_upgrades(f, rows, sizeof(rows) / sizeof(*rows));
	cr_assert_eq(COUNTED(UPGRADE_ORIGIN), 3);
	cr_assert_eq(COUNTED(UPGRADES), 1);
	fixture_free(f);
}

static void origin_or_none(struct image *image)
{
	allow_origins(image, "https://app.net", ORIGIN_NONE);
}

Test(ws_origin, programs_without_an_origin)
{
	static const struct upgrade rows[] = {
		{"Origin: https://app.net\r\n\r\n", UPGRADED},
		{"\r\n", UPGRADED},
		{"Origin: https://evil.example\r\n\r\n", FORBIDDEN},
		{"Origin: null\r\n\r\n", FORBIDDEN},
		{"Origin: none\r\n\r\n", FORBIDDEN},
	};
	struct fixture *f = fixture_new(origin_or_none);

	assert_upgrades(f, rows, sizeof(rows) / sizeof(*rows));
	cr_assert_eq(COUNTED(UPGRADE_ORIGIN), 3);
	cr_assert_eq(COUNTED(UPGRADES), 2);
	fixture_free(f);
}
