"""The torture messages of RFC 4475 and RFC 5118 against a running gateway: what is valid is served,
what is not is refused for the right reason, and nothing breaks; NULs, which are in the grammar,
change nobody's name and reach nobody."""
import pathlib, re, unittest

from gateway import own_address, wait_for
from peers import Peer, digest
from legs import CallCase, Message, failure_ack

TORTURE = pathlib.Path(__file__).resolve().parents[1] / "torture"

# messages that are refused: file, status line of the answer
REFUSED = {
    "badinv01": "400 Malformed Via",
    "clerr": "400 Body Shorter Than Content-Length",
    "ncl": "400 Malformed Content-Length",
    "scalar02": "400 Malformed CSeq",
    "quotbal": "400 Malformed To",
    "ltgtruri": "400 Malformed Request-URI",
    "lwsruri": "400 Malformed Request-Line",
    "lwsstart": "400 Malformed Request-Line",
    "trws": "400 Malformed Request-Line",
    "escruri": "400 Malformed Request-URI",
    "regbadct": "400 Malformed Contact",
    "badaspec": "400 Malformed To",
    "baddn": "400 Malformed From",
    "badvers": "505 Version Not Supported",
    "mismatch01": "400 CSeq of Another Method",
    "mismatch02": "400 CSeq of Another Method",
    "badbranch": "400 Malformed Via",
    "insuf": "400 Missing From",
    "multi01": "400 More Than One CSeq",
    "mcl01": "400 More Than One Content-Length",
    "inv2543": "400 Missing Contact",
    "ipv6-bad": "400 Malformed Request-URI",
}
# responses, well-formed or not, that belong to nothing
RESPONSES = {"scalarlg", "bigcode", "bcast", "noreason", "unreason"}
# some share branch and sent-by: to a server (RFC 3261 section 17.2.3) they would be retransmissions
# of each other
FILES = {
    path.stem: re.sub(rb"z9hG4bK(?=[\w.-])", b"z9hG4bK" + path.stem.encode(), path.read_bytes())
    for path in sorted(TORTURE.glob("rfc*/*.dat"))
    if path.stem != "intmeth-without-nul"
}


class Torture(CallCase):
    def peer(self, port, **words):
        peer = Peer(own_address(), 0, (self.gateway.ip, port), "torture", **words)
        self.addCleanup(peer.close)
        return peer

    def fence(self, peer):
        """Whatever was to come to this peer has come."""
        peer.send_raw(peer.make("OPTIONS", "sip:example.net", call_id=f"fence-{peer.id}"))
        return peer.receive(
            lambda m: m.get("Call-ID") == f"fence-{peer.id}", what="answer to OPTIONS"
        )

    def send_all(self, port):
        """Each message from an address of its own (each has a rate); the answers by name."""
        peers = {name: self.peer(port) for name in FILES}
        for name, raw in FILES.items():
            peers[name].sock.sendto(raw, (self.gateway.ip, port))
        answers = {}
        for name, peer in peers.items():
            if name not in RESPONSES:
                answers[name] = peer.receive(
                    lambda m: (m.status or 0) >= 200, what=f"answer to {name}"
                )
        for name in RESPONSES:
            fence = self.fence(peers[name])
            self.assertEqual(peers[name].received, [fence], name)
        return answers

    def check(self, answers):
        self.assertGreater(len(FILES), 55)
        for name, answer in answers.items():
            with self.subTest(name):
                if name in REFUSED:
                    self.assertEqual(answer.start, f"SIP/2.0 {REFUSED[name]}")
                else:
                    self.assertNotIn(answer.status, (400, 500, 505), answer)
                self.assertEqual(answer.get("Call-ID"), Message(FILES[name]).get("Call-ID"))

    def healthy(self):
        self.assertNotIn("worker-died", self.gateway.log_text())
        self.assertTrue(all(w["state"] == "ready" for w in self.gateway.ctl("workers")))
        alice, bob = self.phone("alice"), self.phone("bob")
        a, b = self.establish(alice, bob, "bob@example.net")
        self.hang_up(a, b)

    def test_from_strangers(self):
        self.start(sip=2)
        answers = self.send_all(5060)
        self.check(answers)
        for name in ("longreq", "intmeth", "esc01", "lwsdisp", "semiuri", "mpart01", "transports"):
            self.assertEqual(answers[name].status, 407, name)
        for name in ("escnull", "dblreq", "cparam01"):
            self.assertEqual(answers[name].status, 401, name)
        for name in ("wsinv", "mult-ip-in-header", "via-received-param-no-delim"):
            self.assertEqual(answers[name].status, 481, name)
        self.assertEqual(
            answers["insuf"].all("From")
            + answers["insuf"].all("To")
            + answers["insuf"].all("Call-ID"),
            [],
        )
        self.assertEqual(answers["insuf"].get("CSeq"), "193942 INVITE")
        self.healthy()

    def test_from_the_trusted(self):
        """Unchallenged, and with a route for all: what is valid gets as far as the trunk."""
        self.start(
            sip=2, routes='route "all" { from = { "core" }  action = "trunk"  trunk = { "pbx" } }'
        )
        trunk = self.trunk()
        peers = {name: self.peer(5062) for name in FILES}
        for name, raw in FILES.items():
            peers[name].sock.sendto(raw, (self.gateway.ip, 5062))
        for name, start in REFUSED.items():
            answer = peers[name].receive(
                lambda m: m.status and m.status >= 200, what=f"answer to {name}"
            )
            self.assertEqual(answer.start, f"SIP/2.0 {start}", name)
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
        self.assertEqual(self.fence(peers["wsinv"]).status, 200)
        self.healthy()

    def test_over_tcp(self):
        """A connection each, and its end: not everything here is a whole message on a stream."""
        self.start()
        wanted = {"wsinv": 481, "intmeth": 407, "escnull": 401, "badvers": 505, "baddate": 407}
        for name, raw in FILES.items():
            peer = self.peer(5060, transport="TCP")
            peer.sock.sendall(raw)
            if name in wanted:
                self.assertEqual(peer.final().status, wanted[name], name)
            peer.close()
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
