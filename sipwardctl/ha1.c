/* ha1.c - see ha1.h. Relies on libcrypto; linked into sipwardctl only. */
#include "ha1.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

int ha1_compute(uint8_t algorithm, struct str name, struct str realm, struct str password,
	char out[HA1_TEXT_MAX + 1])
{
	const EVP_MD *md = algorithm == DIGEST_MD5          ? EVP_md5()
	                   : algorithm == DIGEST_SHA256     ? EVP_sha256()
	                   : algorithm == DIGEST_SHA512_256 ? EVP_sha512_256()
	                                                    : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	EVP_MD_CTX *ctx;
	bool done;

	if (!md)
		return -EINVAL;
	ctx = EVP_MD_CTX_new(); /* its free wipes what it hashed */
	if (!ctx)
		return -ENOMEM;
	done = EVP_DigestInit_ex(ctx, md, NULL) && EVP_DigestUpdate(ctx, name.p, name.n) &&
	       EVP_DigestUpdate(ctx, ":", 1) && EVP_DigestUpdate(ctx, realm.p, realm.n) &&
	       EVP_DigestUpdate(ctx, ":", 1) && EVP_DigestUpdate(ctx, password.p, password.n) &&
	       EVP_DigestFinal_ex(ctx, digest, &length);
	EVP_MD_CTX_free(ctx);
	if (!done || length * 2 != digest_ha1_length(algorithm))
		return -EIO;
	for (unsigned i = 0; i < length; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	explicit_bzero(digest, sizeof(digest));
	return 0;
}

int ha1_entries(uint8_t wanted, struct str name, struct str realm, struct str password,
	struct userfile_entry out[DIGEST_ALGORITHMS])
{
	static const uint8_t order[] = {DIGEST_SHA512_256, DIGEST_SHA256, DIGEST_MD5};
	int count = 0;

	if (!wanted || (wanted & ~DIGEST_ALL) || !userfile_name_valid(name) ||
		!userfile_realm_valid(realm))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(order); i++) {
		struct userfile_entry *e = &out[count];
		int error;

		if (!(wanted & order[i]))
			continue;
		memset(e, 0, sizeof(*e));
		error = ha1_compute(order[i], name, realm, password, e->ha1);
		if (error)
			return error;
		e->algorithm = order[i];
		str_copy(name, e->name, sizeof(e->name));
		str_copy(realm, e->realm, sizeof(e->realm));
		count++;
	}
	return count;
}
