/* transport-blank.c - secrets in messages: gone to their last octet, and nothing else is. */
#include "worker-transport/blank.h"

#include <criterion/criterion.h>
#include <string.h>

static void blanked(const char *message, const char *expected)
{
	char text[4096];

	cr_assert_eq(strlen(message), strlen(expected));
	strcpy(text, message);
	blank_secrets(text, strlen(message));
	cr_assert_str_eq(text, expected);
}

Test(blank, digest_credentials)
{
	blanked("REGISTER sip:d SIP/2.0\r\nAuthorization: Digest username=\"a\", nonce=\"n\", "
		"response=\"0123ab\", nc=00000001,cnonce=\"c,\\\"d\", uri=\"sip:d\"\r\n\r\n",
		"REGISTER sip:d SIP/2.0\r\nAuthorization: Digest username=\"a\", nonce=\"n\", "
		"response=\"xxxxxx\", nc=xxxxxxxx,cnonce=\"xxxxx\", uri=\"sip:d\"\r\n\r\n");
	blanked("proxy-authorization \t:\r\n digest\r\n\tRESPONSE = \"ab\" ,qop=auth\r\nTo: a\r\n",
		"proxy-authorization \t:\r\n digest\r\n\tRESPONSE = \"xx\" ,qop=auth\r\nTo: a\r\n");
	blanked("Authentication-Info: rspauth=\"ab\", nc=00000001\r\n",
		"Authentication-Info: rspauth=\"xx\", nc=xxxxxxxx\r\n");
	/* a quote that is never closed, and a header that the message ends in */
	blanked("Authorization: Digest response=\"abc", "Authorization: Digest response=\"xxx");
	blanked("Authorization: Digest response", "Authorization: Digest response");
}

Test(blank, other_schemes)
{
	blanked("Authorization: Bearer abc.def\r\nTo: a\r\n",
		"Authorization: Bearer xxxxxxx\r\nTo: a\r\n");
	blanked("Authorization: Basic YTpi==\r\n", "Authorization: Basic xxxxxx\r\n");
	blanked("Authorization: abc=\r\n", "Authorization: xxxx\r\n");
}

Test(blank, passwords_in_uris)
{
	blanked("INVITE sip:bob:pw@d SIP/2.0\r\nFrom: <SIPS:al:s3$,c&r=t@d>;tag=1\r\n",
		"INVITE sip:bob:xx@d SIP/2.0\r\nFrom: <SIPS:al:xxxxxxxxx@d>;tag=1\r\n");
	blanked("Call-ID: a:b@c\r\ni:sip:1@d\r\nContact: <sip:bob@d:5060>, <sip:a@[::1]>\r\n",
		"Call-ID: a:b@c\r\ni:sip:1@d\r\nContact: <sip:bob@d:5060>, <sip:a@[::1]>\r\n");
	blanked("sip:a:b@c@:@sip:@", "sip:a:x@c@:@sip:@");
}

#define TOKEN "0123456789abcdef0123456789ABCDEF"
#define BLANK "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

Test(blank, tokens_of_contacts_at_trunks)
{
	blanked("INVITE sip:a@h;line=" TOKEN ";b SIP/2.0\r\nTo: <sip:a@h;line=" TOKEN
		">\r\n\r\n" TOKEN,
		"INVITE sip:a@h;line=" BLANK ";b SIP/2.0\r\nTo: <sip:a@h;line=" BLANK
		">\r\n\r\n" BLANK);
	blanked("REGISTER sip:d SIP/2.0\r\nContact: <sip:a@h;b;LINE=" TOKEN ">;expires=0,\r\n"
		" <sip:a@h;line=" TOKEN ">\r\nm : <sip:a@h;line=" TOKEN ">\r\n\r\n",
		"REGISTER sip:d SIP/2.0\r\nContact: <sip:a@h;b;LINE=" BLANK ">;expires=0,\r\n"
		" <sip:a@h;line=" BLANK ">\r\nm : <sip:a@h;line=" BLANK ">\r\n\r\n");
	/* what has not its form is none, and one that is cut off */
	blanked("A sip:a@h;line=12;line=g123456789abcdef0123456789ABCDEF S\r\nContact: a;line=01",
		"A sip:a@h;line=12;line=g123456789abcdef0123456789ABCDEF S\r\nContact: a;line=01");
}

Test(blank, headers_of_uris)
{
	blanked("REFER sip:b@d?proxy-authorization=Basic%20YTpi SIP/2.0\r\n"
		"Refer-To: <sip:b@d?Replaces=a%3Bto-tag&%41uthorization=Digest response=\"a\","
		"nc=1&Subject=s>;tag=1\r\n\r\n",
		"REFER sip:b@d?proxy-authorization=xxxxxxxxxxxx SIP/2.0\r\n"
		"Refer-To: <sip:b@d?Replaces=a%3Bto-tag&%41uthorization=xxxxxx xxxxxxxxxxxxx"
		"xxxx&Subject=s>;tag=1\r\n\r\n");
	blanked("Contact: <sip:b@d?body=k%3Dab&authentication-info=nc%3D1>\r\nTo: a\r\n",
		"Contact: <sip:b@d?body=xxxxxx&authentication-info=xxxxxx>\r\nTo: a\r\n");
	blanked("Contact: sip:b@d?Authorization=abc\r\nTo: a?Authorization=",
		"Contact: sip:b@d?Authorization=xxx\r\nTo: a?Authorization=");
	blanked("Subject: what?\r\nTo: sip:b@d?Authorizations=1&Author&=&x=y?Authorization",
		"Subject: what?\r\nTo: sip:b@d?Authorizations=1&Author&=&x=y?Authorization");
}

Test(blank, keys_for_media)
{
	blanked("\r\nv=0\r\nk=base64:abc\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:ab|2^20\r\n"
		"a=ice-pwd:abc\r\na=key-mgmt:mikey ab==\r\na=crypt\r\na=sendrecv\r\n",
		"\r\nv=0\r\nk=xxxxxxxxxx\r\na=crypto:x xxxxxxxxxxxxxxxxxxxxxxx xxxxxxxxxxxxxx\r\n"
		"a=ice-pwd:xxx\r\na=key-mgmt:xxxxx xxxx\r\na=crypt\r\na=sendrecv\r\n");
}

Test(blank, leaves_the_rest)
{
	const char *plain = "SIP/2.0 401 Unauthorized\r\nAllow: INVITE\r\nAccept: a\r\n"
			    "WWW-Authenticate: Digest realm=\"d\", nonce=\"n\"\r\n"
			    "P-Asserted-Identity: <sip:a@d>\r\nk: path\r\n\r\n";

	blanked(plain, plain);
	blanked("", "");
	blanked("a", "a");
	blanked("@", "@");
}
