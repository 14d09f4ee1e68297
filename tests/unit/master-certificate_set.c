/* master-certificate_set.c - files of certificates and keys as the master reads them. */
#include "master/certificates/certificate_set.h"
#include "master-config.h"

#include <sodium.h>

#define CHAIN "-----BEGIN CERTIFICATE-----\nchain\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"

static void setup_sodium(void)
{
	cr_assert(sodium_init() >= 0);
	setup();
}

TestSuite(certificate_set, .init = setup_sodium, .fini = teardown);

/* text NULL: there is no such file. */
static void unreadable(const char *file, const char *text, const char *what)
{
	struct certificate_set *set = NULL;
	char whole[128];

	put_file("main.pem", CHAIN);
	put_file("main.key", KEY);
	load(ZONES LISTENERS "certificate main { chain = main.pem key = main.key names = { "
			     "\"a.example\", \"b.example\" } }\n");
	if (text)
		put_file(file, text);
	else
		unlink((snprintf(whole, sizeof(whole), "%s/%s", folder, file), whole));
	cr_expect_eq(certificate_set_read(c, &set, &errors), -EINVAL);
	cr_expect_eq(errors.count, 1);
	cr_expect(strstr(errors.text[0], what) &&
			  strstr(errors.text[0], "sipward.conf:3: certificate \"main\": "),
		"%s", errors.text[0]);
}

Test(certificate_set, files_that_cannot_be)
{
	static char large[CHAIN_MAX + 2];

	memset(large, 'x', sizeof(large) - 1);
	unreadable("main.pem", NULL, "chain: ");
	unreadable("main.pem", "", "is empty");
	unreadable("main.pem", "hello", "holds no certificate in PEM form");
	unreadable("main.pem", large, "has more than 32768 bytes");
	unreadable("main.pem", CHAIN KEY, "holds a private key");
	unreadable("main.key", NULL, "key: ");
	unreadable("main.key", CHAIN, "holds a certificate and no private key");
	unreadable("main.key", large, "has more than 12288 bytes");
}
