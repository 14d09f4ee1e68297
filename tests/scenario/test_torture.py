"""The torture messages of RFC 4475 and RFC 5118 against a running gateway: what is valid is served,
what is not is refused for the right reason, and nothing breaks; NULs, which are in the grammar,
change nobody's name and reach nobody. Its tables are in tests/torture."""
import re, unittest

from gateway import own_address, wait_for
from peers import Peer, digest
from legs import CallCase, Message, failure_ack
from torture import FOLDER, TRANSPORTS, TortureCase, document, is_documented, table

ROWS = {row.name: row for row in table("messages.table")}


def raw_of(name, kind=""):
    """The message with a branch and a Call-ID of its own, for each transport: some share theirs,
    and to a server (RFC 3261 sections 8.2.2.2 and 17.2.3) they would repeat each other."""
    folder = "rfc" + ROWS[name].section.split()[0]
    raw = (FOLDER / folder / f"{name}.dat").read_bytes()
    raw = re.sub(rb"z9hG4bK(?=[\w.-])", f"z9hG4bK{name}{kind}".encode(), raw)
    return re.sub(rb"(?im)^((?:i|call-id)[ \t]*:[ \t]*)", rf"\g<1>{name}{kind}".encode(), raw)


class Messages(TortureCase):
    """Each message over each transport, and the document of it."""

    def test_all(self):
        self.secure(
            ["user", "watson", "j.user"],
            routes='route "all" { from = { "open" }  action = "trunk"  trunk = { "pbx" } }',
        )
        self.behind = self.trunk()
        got = {
            name: {kind: self.outcome(row, kind) for kind in TRANSPORTS}
            for name, row in ROWS.items()
        }
        for name, row in ROWS.items():
            self.assertEqual(got[name], row.expected, name)
        self.assertTrue(
            is_documented("messages", document(ROWS.values(), got)),
            "tests/torture/README.md is not of this table: SIPWARD_WRITE=1 writes it",
        )
        self.assertTrue(all(w["state"] == "ready" for w in self.gateway.ctl("workers")))

    def outcome(self, row, kind):
        """What becomes of the message, in the words of the table."""
        peer, behind = self.over(kind, "torture"), self.behind
        words, final = [], lambda m: (m.status or 0) >= 200
        self.send(peer, raw_of(row.name, kind))
        expected = [word for word in row.expected[kind].split(", ") if word[0].isdigit()]
        # a REGISTER is answered when it has been stored, behind what came after it
        answers = [peer.receive(final, what=row.name) for _ in expected]
        if row.expected[kind].startswith("waits"):
            words.append(self.completed(peer, raw_of(row.name)))
        elif row.expected[kind].endswith("closed"):
            with self.assertRaises(ConnectionError):
                peer.receive(lambda m: False, what="end of the connection")
            words.append("closed")
        else:
            self.fence(peer)
        self.fence(behind, 5062)
        passed = [m for m in behind.waiting if m.method and m.method != "ACK"]
        for request in passed:
            status = 486 if request.method == "INVITE" else 200
            behind.answer(request, status, "Of The Trunk", contact=False)
            behind.waiting.remove(request)
            answer = peer.response(status)
            self.assertEqual(answer.start, f"SIP/2.0 {status} Of The Trunk", row.name)
            if status == 486:
                self.failure_ack(peer, answer)
        answers += filter(final, peer.waiting)
        words = sorted(m.start.removeprefix("SIP/2.0 ") for m in answers) + words
        peer.close()
        return ", ".join(words + ["passed"] * len(passed)) or "nothing"

    def completed(self, peer, raw):
        """A message on a stream whose body is too short passes when the rest of it has come."""
        length = int(re.search(rb"Content-Length: (\d+)", raw).group(1))
        self.fence(self.behind, 5062)
        self.assertEqual([m for m in self.behind.waiting if m.method != "ACK"], [])
        peer.silence(0.001)
        peer.sock.sendall(b"x" * (length - len(raw.partition(b"\r\n\r\n")[2])))
        self.fence(peer)
        return "waits"

    def failure_ack(self, peer, answer):
        """Only the top Via of the answer is known to be as it was sent."""
        lines = ["ACK sip:example.com SIP/2.0", f"Via: {answer.get('Via')}"]
        lines += [f"{name}: {answer.get(name)}" for name in ("From", "To", "Call-ID")]
        lines += [f"CSeq: {answer.cseq[0]} ACK", "Content-Length: 0"]
        self.send(peer, "\r\n".join(lines).encode() + b"\r\n\r\n")


class Torture(CallCase):
    def peer(self, port):
        peer = Peer(own_address(), 0, (self.gateway.ip, port), "torture")
        self.addCleanup(peer.close)
        return peer

    def healthy(self):
        self.assertNotIn("worker-died", self.gateway.log_text())
        self.assertTrue(all(w["state"] == "ready" for w in self.gateway.ctl("workers")))
        alice, bob = self.phone("alice"), self.phone("bob")
        a, b = self.establish(alice, bob, "bob@example.net")
        self.hang_up(a, b)

    def test_from_the_trusted(self):
        """Unchallenged, and with a route for all: what is valid gets as far as the trunk."""
        self.start(
            sip=2, routes='route "all" { from = { "core" }  action = "trunk"  trunk = { "pbx" } }'
        )
        trunk = self.trunk()
        peers = {name: self.peer(5062) for name in ROWS}
        for name, peer in peers.items():
            peer.sock.sendto(raw_of(name), (self.gateway.ip, 5062))
        for name, row in ROWS.items():
            if row.expected["UDP"].startswith(("400", "505")):
                answer = peers[name].final()
                self.assertEqual(answer.start, f"SIP/2.0 {row.expected['UDP']}", name)
        odd = trunk.receive(
            lambda m: m.method and m.method.startswith("!interesting"), what="intmeth"
        )
        self.assertEqual(
            odd.get("To"), "<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>"
        )
        self.assertIn("<sip:mundane@example.com>;fromParam''~+*_!.-%=", odd.get("From"))
        self.assertEqual(odd.get("extensionHeader-!.%*+_`'~"), "\ufeff大停電")
        for wanted in ("INVITE", "MESSAGE", "OPTIONS"):
            trunk.request(wanted)
        for m in trunk.received:
            self.assertNotIn(b"\0", m.raw.partition(b"\r\n\r\n")[0])
        self.counted("headers_with_nul")
        for name, status in (
            ("bext01", 420),
            ("novelsc", 416),
            ("unkscm", 416),
            ("zeromf", 200),
            ("escnull", 404),
            ("wsinv", 481),
        ):
            self.assertEqual(peers[name].final().status, status, name)
        self.healthy()


class Nul(CallCase):
    """sip:alice%00evil@example.net is valid and is nobody, alice least of all."""

    EVIL = "alice%00evil@example.net"

    def setUp(self):
        super().setUp()
        self.start(routes='route "all" { from = { "core" }  action = "trunk"  trunk = { "pbx" } }')

    def bindings(self):
        return sorted(r["aor"] for r in self.gateway.ctl("registrations"))

    def test_registering_as(self):
        alice = self.phone("alice", register=False)
        for to in (self.EVIL, "alice%00@example.net", "%00@example.net"):
            answer, _ = alice.challenged("REGISTER", "sip:example.net", to=to, call_id=f"as-{to}")
            self.assertIsNone(answer)
            self.assertEqual(alice.final("REGISTER").status, 403)
        self.counted("auth_not_owner", 3)
        trunk = self.trunk()
        trunk.send_raw(trunk.make("REGISTER", "sip:example.net", to=self.EVIL, sender=self.EVIL))
        self.assertEqual(trunk.final("REGISTER").status, 404)
        self.assertEqual(self.bindings(), [])
        self.assertEqual(alice.register().status, 200)
        self.assertEqual(self.bindings(), ["sip:alice@example.net"])

    def test_a_contact_with_it(self):
        """It is the phone's own name for itself, and it is called by it as it stands."""
        alice, trunk = self.phone("alice", register=False), self.trunk()
        contact = f"<sip:x%00y@{alice.ip}:{alice.port}>"
        answer, _ = alice.challenged(
            "REGISTER",
            "sip:example.net",
            to="alice@example.net",
            contact=False,
            headers=[f"Contact: {contact}"],
        )
        self.assertIsNone(answer)
        ok = alice.final("REGISTER")
        self.assertEqual(ok.status, 200)
        self.assertIn(contact, ok.get("Contact"))
        self.assertEqual(self.gateway.ctl("registrations")[0]["contact"], contact[1:-1])
        self.request(trunk, "MESSAGE", "alice@example.net")
        message = alice.request("MESSAGE")
        self.assertEqual(message.uri, contact[1:-1])
        alice.answer(message, 200)
        trunk.response(200, "MESSAGE")

    def test_calling(self):
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        for method in ("INVITE", "MESSAGE", "OPTIONS"):
            for sender, status in ((bob, 403), (trunk, 404)):
                request = (
                    self.call(sender, self.EVIL)
                    if method == "INVITE"
                    else self.request(sender, method, self.EVIL)
                )
                answer = sender.final(method)
                self.assertEqual(answer.status, status, method)
                if method == "INVITE":
                    failure_ack(sender, request, answer)
        self.assertEqual([m for m in alice.received + trunk.received if m.method], [])

    def test_calling_as(self):
        alice, bob = self.phone("alice"), self.phone("bob")
        for method in ("INVITE", "MESSAGE"):
            answer, _ = alice.challenged(
                method, "sip:bob@example.net", sender=self.EVIL, call_id=f"{method}-as"
            )
            self.assertIsNone(answer)
            answer = alice.final(method)
            self.assertEqual(answer.status, 403)
            if method == "INVITE":
                failure_ack(alice, Message(alice.last_request), answer)
        self.assertEqual([m for m in bob.received if m.method], [])

    def test_credentials_of(self):
        """A user name is no string of C's either."""
        alice = self.phone("alice", register=False)
        raw = alice.make("REGISTER", "sip:example.net", to="alice@example.net")
        alice.send_raw(raw)
        value = alice.final("REGISTER").all("WWW-Authenticate")[0]
        for name, status in (("alice%00evil", 401), ("alice\\\0evil", 400), ("alice\0evil", 400)):
            credentials = digest(
                value, "REGISTER", "sip:example.net", "alice", "alice-secret"
            ).replace('username="alice"', f'username="{name}"')
            alice.send_raw(
                alice.make(
                    "REGISTER",
                    "sip:example.net",
                    to="alice@example.net",
                    headers=["Authorization: " + credentials],
                )
            )
            answer = alice.final("REGISTER")
            self.assertEqual(answer.status, status, name)
            if status == 400:
                self.assertEqual(answer.start, "SIP/2.0 400 NUL in Headers")
        self.assertEqual(self.bindings(), [])

    def test_display_names(self):
        """A quoted-pair may hold a NUL: the name stays behind in both directions, and the call goes
        on; lists of calls can be read."""
        alice, trunk = self.phone("alice"), self.trunk()
        raw = trunk.make(
            "INVITE",
            "sip:alice@example.net",
            to="alice@example.net",
            sender="+4989@carrier.example",
            body="v=0\r\n",
        )
        for name in ("From", "To"):
            raw = raw.replace(f"{name}: <".encode(), f'{name}: "a\\\0b" <'.encode())
        raw = raw.replace(
            b"Content-Type",
            b'Reply-To: "\\\0" <sip:hidden@carrier.example>\r\nSubject: kept\r\nContent-Type',
        )
        trunk.send_raw(raw)
        invite = alice.request("INVITE")
        self.assertTrue(invite.get("From").startswith("<sip:+4989@"), invite)
        self.assertTrue(invite.get("To").startswith("<sip:alice@"), invite)
        self.assertEqual(invite.all("Reply-To"), [])
        self.assertEqual(invite.get("Subject"), "kept")
        alice.answer(
            invite,
            200,
            body="v=0\r\n",
            headers=['P-Asserted-Identity: "\\\0" <sip:hidden@example.net>', "X-Kept: yes"],
        )
        ok = trunk.response(200, "INVITE")
        self.assertEqual(
            ok.get("From"), Message(raw).get("From"), "its own words come back as they were"
        )
        self.assertEqual(ok.get("X-Kept"), "yes")
        self.assertNotIn(b"hidden", ok.raw)
        wait_for(lambda: self.gateway.ctl("calls"), "the call listed")
        id = self.gateway.ctl("calls")[0]["call-id"]
        call = self.gateway.ctl("calls", "show", id, whole=True)["object"]
        self.assertIn("a\\\ufffdb", " ".join(str(value) for value in call.values()))
        for m in alice.received:
            self.assertNotIn(b"\0", m.raw)
        self.counted("headers_with_nul", 4)


if __name__ == "__main__":
    unittest.main()
