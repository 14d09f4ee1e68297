/* The ladder that the web worker draws, of what the master tells it. */
#include "worker-web/drawing.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *svg;
static size_t svg_size;

static int draw(const char *json)
{
	return drawing_make(json, strlen(json), &svg, &svg_size);
}

#define MESSAGE(number, at, direction, peer, text)                                                 \
	"{\"worker\":0,\"number\":" number ",\"at_us\":" at ",\"direction\":\"" direction          \
	"\",\"peer\":\"" peer "\",\"local\":\"192.0.2.1:5060\",\"transport\":\"UDP\",\"offset\":0" \
	",\"size\":9,\"text\":\"" text "\"}"
#define ID(id) "\\r\\nCall-ID: " id "\\r\\n\\r\\n"

Test(drawing, has_both_legs_in_their_order)
{
	cr_assert_eq(draw("{\"calls\":[{\"call-id\":\"a\",\"zone\":\"access\",\"route\":\"out\","
			  "\"targets\":[{\"call-id\":\"b\",\"address\":\"192.0.2.9:5060\","
			  "\"outcome\":\"answered\",\"status\":200}]}],"
			  "\"messages\":[" MESSAGE("2", "20", "out", "192.0.2.9:5060",
				  "INVITE sip:x SIP/2.0" ID("b")) "," MESSAGE("1", "10", "in",
				  "192.0.2.7:5060",
				  "INVITE sip:<&>\\u0001 SIP/2.0" ID("a")) "," MESSAGE("3", "30",
				  "in", "192.0.2.9:5060", "SIP/2.0 200 <OK>" ID("b")) "]}"),
		0);
	const char *first = strstr(svg, "192.0.2.7:5060"), *second = strstr(svg, "192.0.2.9:5060"),
		   *route = strstr(svg, "zone access: route out"),
		   *answer = strstr(svg, "200 &lt;OK&gt;");
	cr_assert(first && second && first < second);
	cr_assert(route && answer && route < answer);
	cr_assert_eq(svg[svg_size], '\0');
	cr_assert_null(strstr(svg, "<OK>"));
	free(svg);
}

/* What rules have changed stands behind the route, and what is too long for a line in several. */
Test(drawing, has_what_rules_have_changed)
{
	cr_assert_eq(draw("{\"calls\":[{\"call-id\":\"a\",\"zone\":\"access\",\"route\":\"out\","
			  "\"rules\":\"zone access (line 3): header set X-A b\\n"
			  "trunk carrier (line 9): from user ^a.*$ 4930100: alice-of-the-long-name "
			  "becomes 4930100\"}],\"messages\":[" MESSAGE("1", "10", "in",
				  "192.0.2.7:5060", "INVITE sip:x SIP/2.0" ID("a")) "]}"),
		0);
	const char *route = strstr(svg, "zone access: route out"),
		   *one = strstr(svg, ">rule of zone access (line 3): header set X-A b<"),
		   *two = strstr(svg, ">rule of trunk carrier (line 9): from user ^a.*$ 4930100:<"),
		   *rest = strstr(svg, ">alice-of-the-long-name becomes 4930100<");
	cr_assert(route && one && two && rest && route < one && one < two && two < rest, "%s", svg);
	/* five rows: the message and four lines of notes */
	cr_assert(strstr(svg, "height=\"210\""), "%s", svg);
	free(svg);
}

/* As many notes as there may be, whatever the record says. */
Test(drawing, bounds_what_is_said_of_rules)
{
	static char json[20000];
	unsigned notes = 0;

	strcpy(json, "{\"calls\":[{\"call-id\":\"a\",\"rules\":\"");
	for (unsigned i = 0; i < 1000; i++)
		strcat(json, "x\\n");
	strcat(json, "\"}],\"messages\":[" MESSAGE("1", "10", "in", "192.0.2.7:5060",
			     "INVITE sip:x SIP/2.0" ID("a")) "]}");
	cr_assert_eq(draw(json), 0);
	for (const char *at = svg; (at = strstr(at, "rule of x")); at++)
		notes++;
	cr_assert_eq(notes, 32);
	free(svg);
}

/* The pieces of a message, and nothing that stands for one. */
Test(drawing, takes_whatever_stands_in_messages)
{
	cr_assert_eq(
		draw("{\"calls\":[{}, 7, {\"targets\":[{},[]]}],\"messages\":["
		     "{},[],{\"text\":\"\",\"offset\":-1},"
		     "{\"number\":-5,\"text\":\"\\u00ff\\u0100\\n\\n:\",\"at_us\":-1}," MESSAGE("1",
			     "10", "in", "", "") "," MESSAGE("1", "10", "in", "", "again") "]}"),
		0);
	free(svg);
}

Test(drawing, refuses_what_is_none)
{
	cr_assert_eq(draw(""), -EBADMSG);
	cr_assert_eq(draw("[]"), -EBADMSG);
	cr_assert_eq(draw("{\"calls\":7}"), -EBADMSG);
	cr_assert_eq(draw("{\"calls\":[],\"messages\":[]}"), -ENOENT);
	cr_assert_eq(draw("{\"calls\":[]}"), -ENOENT);
}

/* As many as there may be, in a time that grows with their number. */
Test(drawing, is_quick_with_many_messages, .timeout = 30)
{
	enum { MANY = 40000 };
	size_t n = 0, room = (size_t)MANY * 300;
	char *json = malloc(room);

	cr_assert_not_null(json);
	n += (size_t)snprintf(json, room, "{\"calls\":[],\"messages\":[");
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(json + n, room - n,
			"%s{\"worker\":0,\"number\":%u,\"at_us\":%u,\"direction\":\"in\",\"peer\":"
			"\"p\","
			"\"offset\":0,\"text\":\"ACK x SIP/2.0\\r\\nCall-ID: %u\\r\\n\\r\\n\"}",
			i ? "," : "", i, i, i);
	snprintf(json + n, room - n, "]}");
	cr_assert_eq(draw(json), 0);
	free(svg);
	free(json);
}
