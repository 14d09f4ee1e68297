"""The parts of a message that pass from one side to the other: every row of policy.def and
option-tags.def, in both directions; what passes keeps its order and its bytes."""
import pathlib, re, unittest

from legs import NUMBER, SDP, CallCase, Dialog, Message, failure_ack, lines_of, own_address

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "worker-sip" / "message"
ROWS = re.findall(r"^POLICY\((\w+), (\w+), (\w+)\)", (SOURCE / "policy.def").read_text(), re.M)
POLICY = {header: what for header, what, _ in ROWS}
RECEIVER = {header: receiver for header, _, receiver in ROWS}
OPTIONS = dict(
    re.findall(r'^OPTION\("([^"]+)", (\w+)\)', (SOURCE / "option-tags.def").read_text(), re.M)
)

# Written by us in place of what came; test_what_is_ours looks at each.
OURS = {"VIA", "FROM", "TO", "CALL_ID", "CSEQ", "CONTACT", "MAX_FORWARDS", "CONTENT_LENGTH"}
# One header line of each other row, in odd spelling.
CREDENTIALS = 'Digest username="u", realm="carrier.example", nonce="n", uri="sip:x", response="00"'
LINES = {
    "ROUTE": "rOUTE: <sip:10.9.9.1;lr>",
    "RECORD_ROUTE": "record-ROUTE: <sip:127.0.0.77;lr>",
    "PATH": "path : <sip:10.9.9.3;lr>",
    "SERVICE_ROUTE": "Service-route: <sip:10.9.9.4;lr>",
    "FLOW_TIMER": "Flow-Timer: 120",
    "TIMESTAMP": "Timestamp: 54.25",
    "PROXY_REQUIRE": "Proxy-Require: x-none",
    "UNSUPPORTED": "Unsupported: x-none",
    "SECURITY_CLIENT": "Security-Client: tls;q=0.1",
    "SECURITY_SERVER": "Security-Server: tls;q=0.1",
    "SECURITY_VERIFY": "Security-Verify: tls;q=0.1",
    "IN_REPLY_TO": "In-Reply-To: old@10.9.9.5",
    "JOIN": "Join: other@10.9.9.6;to-tag=a;from-tag=b",
    "AUTHENTICATION_INFO": 'Authentication-Info: nextnonce="47364c23432d2e131a5fb210812c"',
    "PROXY_AUTHENTICATION_INFO": 'Proxy-Authentication-Info: nextnonce="x"',
    "P_ASSERTED_IDENTITY": "p-asserted-IDENTITY: <sip:boss@carrier.example>",
    "P_PREFERRED_IDENTITY": "P-Preferred-Identity: <sip:me@carrier.example>",
    "REMOTE_PARTY_ID": "Remote-Party-ID: <sip:rpid@carrier.example>;party=calling",
    "DIVERSION": "Diversion: <sip:div@carrier.example>;reason=user-busy",
    "HISTORY_INFO": "History-Info: <sip:hist@carrier.example>;index=1",
    "RESOURCE_PRIORITY": "resource-PRIORITY: ets.0, wps.1",
    "P_CALLED_PARTY_ID": "P-Called-Party-ID: <sip:called@carrier.example>",
    "P_CHARGING_VECTOR": "P-Charging-Vector: icid-value=1234;icid-generated-at=10.9.9.10",
    "P_CHARGING_FUNCTION_ADDRESSES": "P-Charging-Function-Addresses: ccf=10.9.9.11",
    "P_USER_DATABASE": "P-User-Database: <aaa://host.carrier.example;transport=tcp>",
    "P_VISITED_NETWORK_ID": "P-Visited-Network-ID: other.net",
    "P_ACCESS_NETWORK_INFO": "P-Access-Network-Info: 3GPP-UTRAN-TDD",
    "P_ASSOCIATED_URI": "P-Associated-URI: <sip:also@carrier.example>",
    "USER_AGENT": "User-Agent: Test/1.0 (a, b; c)",
    "SERVER": "sERVER: Test/2.0",
    "RACK": "RAck: 1 99 INVITE",
    "REFER_TO": "r: <sip:target@carrier.example;x=1?Subject=hi>",
    "REFERRED_BY": 'b:   "Ref" <sip:ref@carrier.example>',
    "REPLACES": "Replaces: a@10.9.9.7;to-tag=1;from-tag=2",
    "TARGET_DIALOG": "Target-Dialog: a@10.9.9.8;local-tag=1;remote-tag=2",
    "EVENT": "o: dialog;shared",
    "SUPPORTED": "k: timer,100rel",
    "REQUIRE": "require: timer",
    "AUTHORIZATION": "Authorization: " + CREDENTIALS,
    "PROXY_AUTHORIZATION": "proxy-Authorization: " + CREDENTIALS,
    "WWW_AUTHENTICATE": 'WWW-Authenticate: Digest realm="carrier.example", nonce="n"',
    "PROXY_AUTHENTICATE": 'Proxy-authenticate: Digest realm="carrier.example", nonce="n"',
    "WARNING": 'Warning: 399 10.9.9.9:5060 "Incompatible \\"media\\" type"',
}
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
        self.assertEqual(set(POLICY), OURS | set(LINES))
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
        rows = [r for r in LINES if r not in ("PROXY_REQUIRE", "REPLACES")]
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


class Sweep(CallCase):
    """An address of the sender's own in every header there is and in some that nobody knows; it is
    not in the bytes that the other side gets."""

    NAMES = re.findall(
        r'^HEADER\(\w+, "([^"]+)"', (SOURCE.parents[1] / "ipc" / "headers.def").read_text(), re.M
    ) + [
        "X-Real-IP",
        "X-Trace",
        "x-asterisk-contact",
        "Remote-Address",
        "P-Nobody",
        "Carrier-Hop",
        "Old-Via",
        "Sent-By",
        "Received-From",
        "Origin",
        "X-Call-Leg",
        "Z-Last",
    ]
    # what has another grammar than a list of addresses
    VALUES = {
        "Content-Disposition": "render;at={ip}",
        "Allow": "INVITE, {ip}",
        "Allow-Events": "refer, {ip}",
        "Subscription-State": "active;at={ip}",
        "Min-Expires": "60;at={ip}",
        "RSeq": "1;at={ip}",
        "Session-Expires": "1800;at={ip}",
        "Min-SE": "90;at={ip}",
    }
    # written anew, or a form that has no room for an address
    SKIPPED = (
        "Via From To Call-ID CSeq Contact Max-Forwards Content-Length Content-Type Route "
        "Record-Route Require Proxy-Require Expires Replaces Date RAck"
    ).split()

    def lines(self, ip):
        known = {x.split(":")[0].strip().lower(): x for x in LINES.values()}
        known.update({"refer-to": LINES["REFER_TO"], "referred-by": LINES["REFERRED_BY"]})
        known.update({"event": LINES["EVENT"], "supported": LINES["SUPPORTED"]})
        lines = []
        for name in self.NAMES:
            if name in self.SKIPPED:
                continue
            if name in self.VALUES:
                lines.append(f"{name}: " + self.VALUES[name].format(ip=ip))
            elif name.lower() in known:
                lines.append(re.sub(r"carrier\.example|10\.9\.9\.\d+", ip, known[name.lower()]))
            else:
                lines.append(f'{name}: <sip:{ip}@{ip}:5099;x={ip}>;at="{ip}:5099"')
        return [lines[i : i + 12] for i in range(0, len(lines), 12)]

    def look(self, sender, got):
        self.assertNotIn(sender.ip.encode(), got.raw)
        self.assertNotIn(b":5099", got.raw)

    def test_both_ways(self):
        self.start()
        alice, bob, far = self.phone("alice"), self.phone("bob"), self.trunk()
        for sender, receiver, to in (
            (alice, far, f"{NUMBER}@example.net"),
            (far, bob, "bob@example.net"),
            (alice, bob, "bob@example.net"),
        ):
            for headers in self.lines(sender.ip):
                self.request(sender, "MESSAGE", to, headers=headers)
                got = receiver.request("MESSAGE")
                self.look(sender, got)
                receiver.answer(got, 200, headers=self.lines(receiver.ip)[0], contact=False)
                self.look(receiver, sender.response(200, "MESSAGE"))
            a, b = self.establish(sender, receiver, to, headers=self.lines(sender.ip)[0])
            self.look(sender, self.invite_received)
            for side, other in ((a, b), (b, a)):
                for headers, back in zip(self.lines(side.peer.ip), self.lines(other.peer.ip)):
                    side.send("INFO", headers=headers)
                    got = other.peer.request("INFO")
                    self.look(side.peer, got)
                    other.peer.answer(got, 200, headers=back, contact=False)
                    self.look(other.peer, side.peer.response(200, "INFO"))
            self.hang_up(a, b)

    def test_responses_with_every_header(self):
        self.start()
        alice, bob, far = self.phone("alice"), self.phone("bob"), self.trunk()
        for sender, receiver, to in (
            (alice, far, f"{NUMBER}@example.net"),
            (far, bob, "bob@example.net"),
        ):
            for headers in self.lines(receiver.ip):
                request = self.call(sender, to)
                invite = receiver.request("INVITE")
                receiver.answer(invite, 183, "Session Progress", headers=headers)
                self.look(receiver, sender.response(183))
                receiver.answer(
                    invite, 486, f"Busy at {receiver.ip}", headers=headers, contact=False
                )
                receiver.request("ACK")
                failed = sender.response(486)
                self.look(receiver, failed)
                failure_ack(sender, request, failed)


class OptionTags(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.bob, self.far = self.phone("bob"), self.trunk()

    def test_every_tag(self):
        for tag, what in list(OPTIONS.items()) + [("x-nobody-knows", "STRIPPED")]:
            with self.subTest(tag=tag):
                self.request(self.far, "MESSAGE", "bob@example.net", headers=[f"Supported: {tag}"])
                got = self.bob.request("MESSAGE")
                self.assertEqual(got.all("Supported"), [tag] if what == "BRIDGED" else [])
                self.bob.answer(
                    got, 200, contact=False, headers=[f"Supported: {tag}", f"Require: {tag}"]
                )
                answer = self.far.response(200, "MESSAGE")
                self.assertEqual(
                    (answer.all("Supported"), answer.all("Require")),
                    ([tag], [tag]) if what == "BRIDGED" else ([], []),
                )
                self.request(self.far, "MESSAGE", "bob@example.net", headers=[f"Require: {tag}"])
                if what == "BRIDGED":
                    got = self.bob.request("MESSAGE")
                    self.assertEqual(got.all("Require"), [tag])
                    self.bob.answer(got, 200, contact=False)
                    self.far.response(200, "MESSAGE")
                else:
                    self.assertEqual(self.far.response(420, "MESSAGE").all("Unsupported"), [tag])
        self.assertEqual([m for m in self.bob.waiting if m.method], [])

    def test_lists_are_thinned(self):
        self.request(
            self.far,
            "MESSAGE",
            "bob@example.net",
            headers=[
                "k: gruu,TIMER ,  path",
                "Supported: 100rel,replaces",
                "Supported: outbound",
                "Supported:",
            ],
        )
        got = self.bob.request("MESSAGE")
        self.assertEqual(
            [x for x in lines_of(got) if x[:2] in (b"k:", b"Su")][:2],
            [b"k: TIMER", b"Supported: 100rel,replaces"],
        )
        self.bob.answer(got, 200, contact=False)

    def test_several_unsupported_ones_are_named(self):
        self.request(
            self.far,
            "MESSAGE",
            "bob@example.net",
            headers=["Require: gruu, timer", "Require: x-foo"],
        )
        self.assertEqual(self.far.response(420, "MESSAGE").get("Unsupported"), "gruu, x-foo")

    def test_within_a_call(self):
        alice = self.phone("alice")
        a, b = self.establish(alice, self.far, f"{NUMBER}@example.net")
        for side, other in ((a, b), (b, a)):
            side.send("INFO", headers=["Require: gruu"])
            self.assertEqual(side.peer.response(420, "INFO").get("Unsupported"), "gruu")
            self.assertEqual([m for m in other.peer.received if m.method == "INFO"], [])
        self.hang_up(a, b)


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
