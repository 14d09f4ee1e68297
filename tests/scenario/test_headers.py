"""The parts of a message that pass from one side to the other: every row of policy.def, in
both directions; what passes keeps its order and its bytes."""
import re, unittest

from headers import LINES, POLICY
from legs import NUMBER, SDP, CallCase, Dialog, Message, failure_ack, lines_of, own_address

ROWS = re.findall(r"^POLICY\((\w+), (\w+), (\w+)\)", POLICY.read_text(), re.M)
POLICY = {header: what for header, what, _ in ROWS}
RECEIVER = {header: receiver for header, _, receiver in ROWS}

# Written by us in place of what came; test_what_is_ours looks at each. Each other row has a line in
# LINES.
OURS = {"VIA", "FROM", "TO", "CALL_ID", "CSEQ", "CONTACT", "MAX_FORWARDS", "CONTENT_LENGTH"}
# Headers that nobody has a row for, in every shape that has to stay as it is.
FREE = [
    "s: I know you're there",
    "X-Unknown-Header:  many   spaces  ",
    "x-fOlDeD: one\r\n two\r\n\tthree",
    "Reason: SIP;cause=200",
    "Allow: INVITE,ACK , BYE",
    "Alert-Info: <http://www.example.com/sounds/moo.wav>",
    "X-Empty:",
    "Accept-Language: da, en-gb;q=0.8",
    "X-Utf8: grüße",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT",
    "Session-Expires: 1800",
    "X-Unknown-Header: again",
    "Subject-Like : not a subject",
]


def line(text):
    return text.encode()


class Rows(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.alice, self.far = self.phone("alice"), self.trunk()

    def test_every_row_has_its_line(self):
        # every body of these tests has its type; RSeq is of provisional responses
        self.assertEqual(set(POLICY), OURS | set(LINES) | {"CONTENT_TYPE", "RSEQ"})
        self.assertEqual({h for h, what in POLICY.items() if what == "OURS"}, OURS)

    def expected(self, row, trusted, response):
        """The line that arrives, or None."""
        what = POLICY[row]
        text = LINES[row]
        if (
            what == "NEVER"
            or RECEIVER[row] in ("NETWORK", "SOFTWARE")
            or (what == "TRUSTED" and not trusted)
            or (what == "CHALLENGE" and not trusted)
        ):
            return None
        if what == "MAPPED":
            if row == "EVENT" or (not response and row in ("REFER_TO", "REFERRED_BY")):
                return re.sub(r":\s+", ": ", text)
            return None
        if what == "WARNING":
            return text.replace("10.9.9.9:5060", "sipward")
        return text

    def compare(self, rows, got, trusted, response, where):
        lines = lines_of(got)
        for row in rows:
            with self.subTest(header=row, where=where):
                want = self.expected(row, trusted, response)
                name = LINES[row].split(":")[0].strip().lower()
                have = [x for x in lines if x.split(b":")[0].strip().lower().decode() == name]
                if row == "RECORD_ROUTE" and response:
                    have = [x for x in have if b"127.0.0.77" in x]
                self.assertEqual(have, [line(want)] if want else [], got)

    def test_requests(self):
        """INVITE, MESSAGE and, within the call, INFO; both ways."""
        bob = self.phone("bob")
        rows = [r for r in LINES if r not in ("PROXY_REQUIRE", "REPLACES", "JOIN")]
        headers = [LINES[r] for r in rows]
        for sender, receiver, to, trusted in (
            (self.alice, self.far, f"{NUMBER}@example.net", False),
            (self.far, bob, "bob@example.net", True),
        ):
            self.request(sender, "MESSAGE", to, headers=headers)
            got = receiver.request("MESSAGE")
            self.compare(rows, got, trusted, False, f"MESSAGE from {sender.name}")
            receiver.answer(got, 200, contact=False)
            sender.response(200, "MESSAGE")
            here = [r for r in rows if r != "RECORD_ROUTE"]
            a, b = self.establish(sender, receiver, to, headers=[LINES[r] for r in here])
            self.compare(here, self.invite_received, trusted, False, f"INVITE from {sender.name}")
            for side, other, its in ((a, b, trusted), (b, a, not trusted)):
                side.send("INFO", headers=[LINES[r] for r in here])
                got = other.peer.request("INFO")
                self.compare(here, got, its, False, f"INFO from {side.peer.name}")
                other.peer.answer(got, 200, contact=False)
                side.peer.response(200, "INFO")
            self.hang_up(a, b)

    def test_responses(self):
        bob = self.phone("bob")
        rows = [r for r in LINES if r != "RECORD_ROUTE"]
        headers = [LINES[r] for r in rows]
        for sender, receiver, to, trusted in (
            (self.alice, self.far, f"{NUMBER}@example.net", True),
            (self.far, bob, "bob@example.net", False),
        ):
            request = self.call(sender, to)
            invite = receiver.request("INVITE")
            receiver.answer(invite, 183, "Session Progress", headers=headers)
            self.compare(rows, sender.response(183), trusted, True, f"183 from {receiver.name}")
            receiver.answer(invite, 488, "Not Acceptable Here", headers=headers, contact=False)
            receiver.request("ACK")
            failed = sender.response(488)
            self.compare(rows, failed, trusted, True, f"488 from {receiver.name}")
            failure_ack(sender, request, failed)
            self.request(sender, "MESSAGE", to)
            receiver.answer(receiver.request("MESSAGE"), 200, headers=headers, contact=False)
            self.compare(
                rows,
                sender.response(200, "MESSAGE"),
                trusted,
                True,
                f"200 to MESSAGE from {receiver.name}",
            )
            request = self.call(sender, to)
            invite = receiver.request("INVITE")
            tag = receiver.answer(invite, 200, headers=headers, body=SDP)
            ok = sender.response(200, "INVITE")
            self.compare(rows, ok, trusted, True, f"200 from {receiver.name}")
            a, b = Dialog.of_answer(sender, request, ok), Dialog.of_request(receiver, invite, tag)
            a.ack()
            receiver.request("ACK")
            for side, other, its in ((a, b, trusted), (b, a, not trusted)):
                side.send("INFO")
                other.peer.answer(other.peer.request("INFO"), 200, headers=headers, contact=False)
                self.compare(
                    rows,
                    side.peer.response(200, "INFO"),
                    its,
                    True,
                    f"200 to INFO from {other.peer.name}",
                )
            self.hang_up(a, b)

    def test_proxy_require(self):
        """RFC 3261 section 20.29: nothing that it asks of proxies is kept here."""
        for sender, to in ((self.alice, f"{NUMBER}@example.net"), (self.far, "bob@example.net")):
            self.request(sender, "MESSAGE", to, headers=["Proxy-Require: timer, foo"])
            self.assertEqual(sender.response(420).get("Unsupported"), "timer, foo")

    def test_private_headers_of_carriers(self):
        """P-* that nobody has a row for are a trusted network's own, and go to no other unless its
        zone says so."""
        headers = [
            "P-Charging-Vector: icid-value=1234",
            "p-ACCESS-network-info: 3GPP",
            "PX-Not-Private: 1",
        ]
        for options in ("", "network-headers = pass"):
            if options:
                self.start(access=options)
            bob, far = self.phone("bob"), self.trunk(ip=own_address())
            self.request(far, "MESSAGE", "bob@example.net", headers=headers)
            got = bob.request("MESSAGE")
            self.assertEqual(
                [x for x in lines_of(got) if x.lower().startswith(b"p")],
                [line(h) for h in (headers if options else headers[2:])],
            )
            bob.answer(got, 200, contact=False)
            far.response(200, "MESSAGE")

    def test_asserted_identity_and_privacy(self):
        """RFC 3325 section 7: with Privacy: id the asserted identity does not go to where nobody is
        trusted."""
        bob = self.phone("bob")
        identity = "P-Asserted-Identity: <sip:boss@carrier.example>"
        for privacy, passes in (
            ([], True),
            (["Privacy: none"], True),
            (["Privacy: id"], False),
            (["Privacy: header;ID;critical"], False),
        ):
            self.request(self.far, "MESSAGE", "bob@example.net", headers=[identity] + privacy)
            got = bob.request("MESSAGE")
            self.assertEqual(
                [f"P-Asserted-Identity: {v}" for v in got.all("P-Asserted-Identity")],
                [identity] if passes else [],
                privacy,
            )
            bob.answer(got, 200, contact=False)
            self.far.response(200, "MESSAGE")

    def test_challenges_and_credentials_of_our_realm(self):
        bob = self.phone("bob")
        for name in ("Authorization", "Proxy-Authorization"):
            mine = (
                f'{name}: Digest username="alice", realm="example.net", nonce="n", uri="sip:x", '
                f'response="00"'
            )
            self.request(self.far, "MESSAGE", "bob@example.net", headers=[mine])
            got = bob.request("MESSAGE")
            self.assertEqual(got.all(name), [])
            bob.answer(got, 200, contact=False)
            self.far.response(200, "MESSAGE")
        for name in ("WWW-Authenticate", "Proxy-Authenticate"):
            self.request(self.alice, "MESSAGE", f"{NUMBER}@example.net")
            self.far.answer(
                self.far.request("MESSAGE"),
                404,
                "Not Found",
                headers=[f'{name}: Digest realm="EXAMPLE.net", nonce="n"'],
                contact=False,
            )
            self.assertEqual(self.alice.response(404, "MESSAGE").all(name), [])

    def test_warnings(self):
        """RFC 3261 section 20.43: the host becomes a pseudonym in each value; what does not parse
        goes."""
        values = '301 10.1.1.1 "a, b", 302 host.internal.example:5070 "c", 399 [2001:db8::1] "d"'
        self.request(self.alice, "MESSAGE", f"{NUMBER}@example.net")
        self.far.answer(
            self.far.request("MESSAGE"),
            404,
            "Not Found",
            headers=[f"Warning: {values}"],
            contact=False,
        )
        got = self.alice.response(404, "MESSAGE")
        self.assertEqual(
            ", ".join(got.all("Warning")), '301 sipward "a, b", 302 sipward "c", 399 sipward "d"'
        )


class Bytes(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.alice, self.bob, self.far = self.phone("alice"), self.phone("bob"), self.trunk()

    def free_lines(self, message):
        mine = {x.encode().split(b":")[0].strip().lower() for x in FREE}
        return [x for x in lines_of(message) if x.split(b":")[0].strip().lower() in mine]

    def test_order_and_spelling(self):
        """Requests and responses, outside and within dialogs, both ways."""
        want = [x.encode() for x in FREE]
        for sender, receiver, to in (
            (self.alice, self.far, f"{NUMBER}@example.net"),
            (self.far, self.bob, "bob@example.net"),
            (self.alice, self.bob, "bob@example.net"),
        ):
            self.request(sender, "MESSAGE", to, headers=FREE)
            got = receiver.request("MESSAGE")
            self.assertEqual(self.free_lines(got), want)
            receiver.answer(got, 200, headers=FREE, contact=False)
            self.assertEqual(self.free_lines(sender.response(200, "MESSAGE")), want)
            request = self.call(sender, to, headers=FREE)
            invite = receiver.request("INVITE")
            self.assertEqual(self.free_lines(invite), want)
            tag = receiver.answer(invite, 180, "Ringing now, please", headers=FREE)
            ringing = sender.response(180)
            self.assertEqual(ringing.start, "SIP/2.0 180 Ringing now, please")
            self.assertEqual(self.free_lines(ringing), want)
            receiver.answer(invite, 200, tag=tag, headers=FREE, body=SDP)
            ok = sender.response(200, "INVITE")
            self.assertEqual(self.free_lines(ok), want)
            a, b = Dialog.of_answer(sender, request, ok), Dialog.of_request(receiver, invite, tag)
            a.ack(headers=FREE)
            self.assertEqual(self.free_lines(receiver.request("ACK")), want)
            for side, other in ((a, b), (b, a)):
                side.send("INFO", headers=FREE)
                got = other.peer.request("INFO")
                self.assertEqual(self.free_lines(got), want)
                other.peer.answer(got, 200, headers=FREE, contact=False)
                self.assertEqual(self.free_lines(side.peer.response(200, "INFO")), want)
            self.hang_up(a, b)

    def test_bodies(self):
        """Every byte value, NUL among them; what looks like headers or like the next message."""
        for body in (
            bytes(range(256)) * 3,
            b"\0",
            b"\r\n\r\nBYE sip:x SIP/2.0\r\n\r\n",
            b"Content-Length: 0\r\n\r\n",
            b"\r\n",
        ):
            for sender, receiver, to in (
                (self.alice, self.far, f"{NUMBER}@example.net"),
                (self.far, self.bob, "bob@example.net"),
            ):
                self.request(
                    sender, "MESSAGE", to, body=body, content_type="application/octet-stream"
                )
                got = receiver.request("MESSAGE")
                self.assertEqual(
                    (got.body, got.get("Content-Length"), got.get("Content-Type")),
                    (body, str(len(body)), "application/octet-stream"),
                )
                receiver.answer(
                    got, 200, body=body, content_type='application/x;a="b"', contact=False
                )
                back = sender.response(200, "MESSAGE")
                self.assertEqual(
                    (back.body, back.get("Content-Type")), (body, 'application/x;a="b"')
                )

    def test_what_is_ours(self):
        raw = self.far.make(
            "INVITE", "sip:bob@example.net", sender="+49891234@carrier.example", body=SDP
        ).decode()
        raw = raw.replace(
            "From: <sip:+49891234@carrier.example>;tag=",
            'f:  "Some, \\"Body\\" <x>"  <sip:+49891234@carrier.example;user=phone>;x=y;tag=',
        ).replace("To: <sip:bob@example.net>", "t: Bob <sip:bob@example.net>;z")
        raw = (
            raw.replace("Call-ID:", "i :")
            .replace("Contact:", "m:")
            .replace("Content-Length:", "l:")
            .replace("Content-Type:", "c:")
            .replace("Max-Forwards: 70", "mAX-fORWARDS: 5")
        )
        raw = raw.replace("Via: ", "v: ", 1).replace(
            "\r\nmAX",
            "\r\nVia: SIP/2.0/UDP 10.7.7.7;branch=z9hG4bKfurther, SIP/2.0/TCP "
            "10.7.7.8;branch=z9hG4bKlast\r\nRecord-Route: <sip:127.0.0.77;lr>\r\nmAX",
        )
        self.far.send_raw(raw.encode(), self.far.to)
        sent = Message(raw.encode())
        got = self.bob.request("INVITE")
        self.assertEqual(len(got.all("Via")), 1)
        self.assertIn(f"SIP/2.0/UDP {self.gateway.ip}:5060;branch=z9hG4bK", got.get("Via"))
        self.assertEqual(
            re.sub(r";tag=[^;]*", "", got.get("From")),
            '"Some, \\"Body\\" <x>"  <sip:+49891234@carrier.example;user=phone>;x=y',
        )
        self.assertEqual(got.get("To"), "Bob <sip:bob@example.net>;z")
        self.assertNotEqual(got.tag("From"), sent.tag("From"))
        self.assertEqual(
            (got.get("Max-Forwards"), got.all("Record-Route"), got.cseq[1]), ("4", [], "INVITE")
        )
        self.assertRegex(got.get("Contact"), rf"^<sip:[^@]*@{re.escape(self.gateway.ip)}:5060>$")
        self.assertEqual(got.get("Content-Length"), str(len(SDP)))
        self.assertNotIn(b"10.7.7", got.raw)
        tag = self.bob.answer(got, 200, body=SDP)
        ok = self.far.response(200, "INVITE")
        self.assertEqual(len(ok.all("Via")), 2)
        self.assertEqual(
            ok.all("Via")[1],
            "SIP/2.0/UDP 10.7.7.7;branch=z9hG4bKfurther, SIP/2.0/TCP 10.7.7.8;branch=z9hG4bKlast",
        )
        self.assertEqual(ok.all("Record-Route"), ["<sip:127.0.0.77;lr>"])
        self.assertEqual(
            (ok.get("From"), ok.get("Call-ID"), ok.get("CSeq")),
            (sent.get("From"), sent.get("Call-ID"), sent.get("CSeq")),
        )
        self.assertRegex(ok.get("Contact"), rf"^<sip:[^@]*@{re.escape(self.gateway.ip)}:5062>$")
        self.assertTrue(tag)

    def test_max_forwards_missing(self):
        raw = self.far.make(
            "MESSAGE", "sip:bob@example.net", sender="+49891234@carrier.example"
        ).replace(b"Max-Forwards: 70\r\n", b"")
        self.far.send_raw(raw, self.far.to)
        got = self.bob.request("MESSAGE")
        self.assertEqual(got.get("Max-Forwards"), "70")
        self.bob.answer(got, 200, contact=False)

    def test_max_forwards_within_a_call(self):
        a, b = self.establish(self.alice, self.far, f"{NUMBER}@example.net")
        for side, other in ((a, b), (b, a)):
            side.send("INFO", max_forwards=1)
            got = other.peer.request("INFO")
            self.assertEqual(got.get("Max-Forwards"), "0")
            other.peer.answer(got, 200, contact=False)
            side.peer.response(200, "INFO")
            side.send("INFO", max_forwards=0)
            side.peer.response(483, "INFO")
        self.hang_up(a, b)

    def test_route_set(self):
        """RFC 3261 section 12.1: what the trunk's proxies put in Record-Route is our route set
        towards it, in the right order, and stays on its side."""
        proxy = self.trunk(5091)
        routes = [f"<sip:{self.trunk_ip}:5091;lr>", "<sip:far.carrier.example;lr>"]
        # we are called: in order
        request = self.call(
            self.far,
            "bob@example.net",
            headers=[f"Record-Route: {routes[0]}", f"Record-Route: {routes[1]}"],
        )
        invite = self.bob.request("INVITE")
        self.assertEqual(invite.all("Record-Route"), [])
        tag = self.bob.answer(invite, 200, body=SDP)
        ok = self.far.response(200, "INVITE")
        self.assertEqual(ok.all("Record-Route"), routes)
        Dialog.of_answer(self.far, request, ok).ack()
        self.bob.request("ACK")
        Dialog.of_request(self.bob, invite, tag).send("BYE")
        bye = proxy.request("BYE")
        self.assertEqual(", ".join(bye.all("Route")), ", ".join(routes))
        self.assertEqual(bye.uri, request.contact_uri())
        proxy.answer(bye, 200, contact=False)
        self.bob.response(200, "BYE")
        # we call: in reverse
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = self.far.request("INVITE")
        self.far.answer(invite, 200, body=SDP, headers=[f"Record-Route: {routes[1]}, {routes[0]}"])
        ok = self.alice.response(200, "INVITE")
        self.assertEqual(ok.all("Record-Route"), [])
        Dialog.of_answer(self.alice, request, ok).ack()
        ack = proxy.request("ACK")
        self.assertEqual(", ".join(ack.all("Route")), ", ".join(routes))
        self.assertEqual(ack.uri, f"sip:trunk@{self.trunk_ip}:5080")


if __name__ == "__main__":
    unittest.main()
