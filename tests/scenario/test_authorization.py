"""Permissions of users, and what strangers learn (RFC 3261 section 22, RFC 7616, RFC 8760)."""
import re, unittest

from gateway import CONFIG, own_address, wait_for
from peers import Peer, digest
from legs import NUMBER, SDP, CallCase, Dialog, Message, failure_ack


def unlike(message):
    """A message without what differs by chance."""
    text = re.sub(
        r"branch=[^;\s]+|tag=[^;\s]+|nonce=\"[^\"]*\"|Call-ID: [^\r]*|CSeq: \d+", "*", repr(message)
    )
    return re.sub(r"Date: [^\r]*", "*", text)


class Challenges(CallCase):
    def setUp(self):
        super().setUp()
        self.start()

    def ask(self, phone, method, uri, headers=(), to="x@example.net", **words):
        words.setdefault("sender", f"{phone.user}@example.net")
        raw = phone.make(method, uri, to=to, headers=headers, **words)
        phone.send_raw(raw)
        answer = phone.final(method)
        if method == "INVITE":
            failure_ack(phone, Message(raw), answer)
        return answer

    def credentials(self, challenge, method, uri, user="alice", password=None, **words):
        proxy = challenge.status == 407
        value = challenge.all("Proxy-Authenticate" if proxy else "WWW-Authenticate")[0]
        return ("Proxy-Authorization: " if proxy else "Authorization: ") + digest(
            value, method, uri, user, password or f"{user}-secret", **words
        )

    def test_strangers_learn_nothing(self):
        """The same challenge whether the user asked for exists, is registered, or the number has a
        route."""
        self.phone("bob")
        stranger = self.phone("alice", register=False)
        for method in ("INVITE", "MESSAGE", "OPTIONS", "FOO", "SUBSCRIBE", "PUBLISH"):
            seen = {
                unlike(
                    self.ask(
                        stranger,
                        method,
                        f"sip:{user}",
                        sender=sender,
                        to="same@example.net",
                        headers=["Event: presence"] if method in ("SUBSCRIBE", "PUBLISH") else (),
                    )
                )
                for user in (
                    "bob@example.net",
                    "carol@example.net",
                    "nobody@example.net",
                    f"{NUMBER}@example.net",
                    "x@elsewhere.example",
                )
                for sender in ("same@example.net",)
            }
            self.assertEqual(len(seen), 1, seen)
            self.assertTrue(seen.pop().startswith("SIP/2.0 407 "))
        self.assertEqual(self.ask(stranger, "OPTIONS", "sip:example.net").status, 401)

    def test_register_of_strangers(self):
        stranger = self.phone("alice", register=False)
        seen = set()
        for user in ("bob", "carol", "nobod"):
            answer = self.ask(
                stranger,
                "REGISTER",
                "sip:example.net",
                to=f"{user}@example.net",
                sender=f"{user}@example.net",
            )
            seen.add(re.sub(f"sip:{user}@", "sip:user@", unlike(answer)))
        self.assertEqual(len(seen), 1, seen)
        self.assertTrue(seen.pop().startswith("SIP/2.0 401 "))

    def test_both_algorithms_are_offered_and_taken(self):
        alice = self.phone("alice", register=False)
        challenge = self.ask(alice, "MESSAGE", "sip:bob@example.net")
        values = challenge.all("Proxy-Authenticate")
        self.assertEqual(
            [re.search(r"algorithm=([\w-]+)", v).group(1) for v in values], ["SHA-256", "MD5"]
        )
        for index in (0, 1):
            alice.challenged(
                "MESSAGE", "sip:bob@example.net", challenge_index=index, call_id=f"index-{index}"
            )
            self.assertEqual(alice.final("MESSAGE").status, 480)

    def test_from_of_another(self):
        alice, bob = self.phone("alice"), self.phone("bob")
        for method in ("INVITE", "MESSAGE", "OPTIONS"):
            for sender in ("carol@example.net", "alice@elsewhere.example", "Alice@example.net"):
                with self.subTest(method=method, sender=sender):
                    answer, parts = alice.challenged(
                        method, "sip:bob@example.net", sender=sender, call_id=f"{method}-{sender}"
                    )
                    self.assertIsNone(answer)
                    answer = alice.final(method)
                    self.assertEqual(answer.status, 403)
                    if method == "INVITE":
                        failure_ack(alice, Message(alice.last_request), answer)
        self.counted("auth_not_owner", 9)
        self.assertEqual([m for m in bob.received if m.method], [])

    def test_anonymous_caller(self):
        """Who shows right credentials need not name himself (RFC 3323); the core is told who it is
        (RFC 3325), and the phone that is called is not."""
        alice, bob, core = self.phone("alice"), self.phone("bob"), self.trunk()
        for callee, peer, asserted in (
            (f"{NUMBER}@example.net", core, ["<sip:alice@example.net>"]),
            ("bob@example.net", bob, []),
        ):
            alice.challenged(
                "MESSAGE",
                f"sip:{callee}",
                sender="anonymous@anonymous.invalid",
                to=callee,
                headers=["Privacy: id"],
                call_id=f"nobody-{callee}",
            )
            got = peer.request("MESSAGE")
            self.assertEqual(got.all("P-Asserted-Identity"), asserted)
            self.assertIn("sip:anonymous@anonymous.invalid", got.get("From"))
            self.assertEqual("alice" in repr(got), bool(asserted), got)
            peer.answer(got, 200, contact=False)
            self.assertEqual(alice.final("MESSAGE").status, 200)

    def test_register_of_another(self):
        alice = self.phone("alice", register=False)
        answer, _ = alice.challenged("REGISTER", "sip:example.net", to="bob@example.net")
        self.assertIsNone(answer)
        self.assertEqual(alice.final("REGISTER").status, 403)
        self.assertEqual(self.gateway.ctl("registrations"), [])

    def test_contacts_that_nothing_depends_on(self):
        """A "#" in the user part, port 0 and a telephone number beside it: the phone registers, is
        called by what it gave, and calls."""
        alice, bob = self.phone("alice"), self.phone("bob", register=False)
        contact = f"<sip:*21#@{bob.ip}:0>"
        answer, _ = bob.challenged(
            "REGISTER",
            "sip:example.net",
            to="bob@example.net",
            contact=False,
            headers=[f"Contact: <tel:+4930123>, {contact}", "Contact: <mailto:bob@example.net>"],
        )
        self.assertIsNone(answer)
        answer = bob.final("REGISTER")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.all("Contact")[0].startswith(contact))
        request = self.call(alice, "bob@example.net")
        got = bob.request("INVITE")
        self.assertIn(f"INVITE {contact[1:-1]} SIP/2.0", repr(got))
        bob.answer(got, 486, "Busy Here", contact=False)
        bob.request("ACK")
        failure_ack(alice, request, alice.response(486))
        self.counted("register_contacts_ignored", 2)
        uri = "sip:alice@example.net"
        answer, _ = bob.challenged(
            "INVITE", uri, contact=False, headers=[f"Contact: {contact}, <tel:+4930123>"]
        )
        self.assertIsNone(answer)
        alice.answer(alice.request("INVITE"), 486, "Busy Here", contact=False)
        alice.request("ACK")
        failure_ack(bob, Message(bob.last_request), bob.response(486))

    def test_register_by_third_party(self):
        """RFC 3261 section 10.2: From may differ; To is what must be one's own."""
        alice = self.phone("alice", register=False)
        answer, _ = alice.challenged(
            "REGISTER", "sip:example.net", to="alice@example.net", sender="secretary@example.net"
        )
        self.assertIsNone(answer)
        self.assertEqual(alice.final("REGISTER").status, 200)

    def test_no_route(self):
        alice, trunk = self.phone("alice", register=False), self.trunk()
        for method in ("INVITE", "MESSAGE", "FOO"):
            request = self.request(alice, method, "nobody@example.net", call_id=f"no-{method}")
            answer = alice.final(method)
            self.assertEqual(answer.status, 403)
            if method == "INVITE":
                failure_ack(alice, request, answer)
            for to in ("nobody@example.net", f"{NUMBER}@example.net", "bob@elsewhere.example"):
                request = self.request(trunk, method, to)
                answer = trunk.final(method)
                self.assertEqual(answer.status, 404)
                if method == "INVITE":
                    failure_ack(trunk, request, answer)

    def test_wrong_password(self):
        alice = self.phone("alice", register=False)
        uri = "sip:bob@example.net"
        challenge = self.ask(alice, "MESSAGE", uri, call_id="one")
        for cseq, user, counter in (
            (2, "alice", "auth_wrong_digest"),
            (3, "nobody", "auth_unknown_user"),
        ):
            answer = self.ask(
                alice,
                "MESSAGE",
                uri,
                [self.credentials(challenge, "MESSAGE", uri, user, "wrong")],
                call_id="one",
                cseq=cseq,
            )
            self.assertEqual(answer.status, 407)
            self.assertNotIn("stale", answer.get("Proxy-Authenticate"))
            self.counted(counter)
        self.assertEqual(len(re.findall(r"auth-failed source=", self.gateway.log_text())), 2)
        self.assertNotIn("secret", self.gateway.log_text())
        self.assertNotIn("response=", self.gateway.log_text())

    def test_replayed_count(self):
        alice = self.phone("alice", register=False)
        uri = "sip:bob@example.net"
        challenge = self.ask(alice, "MESSAGE", uri, call_id="one")
        header = self.credentials(challenge, "MESSAGE", uri)
        self.assertEqual(
            self.ask(alice, "MESSAGE", uri, [header], call_id="one", cseq=2).status, 480
        )
        again = self.ask(alice, "MESSAGE", uri, [header], call_id="one", cseq=3)
        self.assertEqual(again.status, 407)
        self.assertIn("stale=true", again.get("Proxy-Authenticate"))
        self.counted("auth_nonce_repeated")
        # the next count of the same nonce is fine, and so is one that overtook another
        for nc in (5, 3):
            self.assertEqual(
                self.ask(
                    alice,
                    "MESSAGE",
                    uri,
                    [self.credentials(challenge, "MESSAGE", uri, nc=nc)],
                    call_id="one",
                    cseq=10 + nc,
                ).status,
                480,
            )

    def test_nonce_of_another_source(self):
        alice, thief = self.phone("alice", register=False), self.phone("alice", register=False)
        uri = "sip:bob@example.net"
        challenge = self.ask(alice, "MESSAGE", uri, call_id="one")
        header = self.credentials(challenge, "MESSAGE", uri)
        self.peers.remove(thief)
        answer = self.ask(thief, "MESSAGE", uri, [header], call_id="one", cseq=2)
        self.assertEqual(answer.status, 407)
        self.assertIn("stale=true", answer.get("Proxy-Authenticate"))
        self.counted("auth_nonce_stale")
        self.assertEqual(
            self.ask(alice, "MESSAGE", uri, [header], call_id="one", cseq=3).status, 480
        )

    def test_nonce_that_is_not_ours(self):
        alice = self.phone("alice", register=False)
        uri = "sip:bob@example.net"
        challenge = self.ask(alice, "MESSAGE", uri)
        value = re.sub(
            r'nonce="[^"]*"', 'nonce="0123456789abcdef"', challenge.all("Proxy-Authenticate")[0]
        )
        answer = self.ask(
            alice,
            "MESSAGE",
            uri,
            ["Proxy-Authorization: " + digest(value, "MESSAGE", uri, "alice", "alice-secret")],
        )
        self.assertEqual(answer.status, 407)
        self.assertIn("stale=true", answer.get("Proxy-Authenticate"))

    def test_digest_over_another_uri(self):
        alice = self.phone("alice", register=False)
        challenge = self.ask(alice, "MESSAGE", "sip:bob@example.net", call_id="one")
        header = self.credentials(challenge, "MESSAGE", "sip:carol@example.net")
        self.assertEqual(
            self.ask(
                alice, "MESSAGE", "sip:bob@example.net", [header], call_id="one", cseq=2
            ).status,
            400,
        )

    def test_phones_that_err_are_told_so(self):
        """A fresh challenge each time, and a line for the operator; the phone gets in as soon as it
        does right."""
        alice = self.phone("alice", register=False)
        uri = "sip:example.net"
        words = dict(to="alice@example.net", call_id="one")
        challenge = self.ask(alice, "REGISTER", uri, **words)
        right = self.credentials(challenge, "REGISTER", uri)
        other = 'Digest username="x", realm="y", nonce="z", uri="sip:y", response="0"'
        wrong = {
            "several credentials in one header": f"{right}, {other}",
            "no qop": re.sub(r", cnonce=.*", "", right),
            "a parameter that cannot be read": right + ', "',
            "a uri that is not spelled as the Request-URI": self.credentials(
                challenge, "REGISTER", uri + ":5060"
            ),
        }
        for cseq, (reason, header) in enumerate(wrong.items(), 2):
            with self.subTest(reason=reason):
                answer = self.ask(alice, "REGISTER", uri, [header], cseq=cseq, **words)
                self.assertEqual(answer.status, 401)
                self.assertTrue(answer.get("WWW-Authenticate"))
        wait_for(
            lambda: 'reason="several credentials in one header"' in self.gateway.log_text(),
            "the line for the operator",
        )
        self.assertEqual(self.ask(alice, "REGISTER", uri, [right], cseq=9, **words).status, 200)

    def test_digest_over_another_method(self):
        alice = self.phone("alice", register=False)
        challenge = self.ask(alice, "MESSAGE", "sip:bob@example.net", call_id="one")
        header = self.credentials(challenge, "OPTIONS", "sip:bob@example.net")
        self.assertEqual(
            self.ask(
                alice, "MESSAGE", "sip:bob@example.net", [header], call_id="one", cseq=2
            ).status,
            407,
        )

    def test_our_credentials_stay_here(self):
        """They would let the callee try passwords; another realm's pass, in a call and out of
        it."""
        theirs = (
            'Proxy-Authorization: Digest username="a", realm="carrier.example", nonce="n", '
            'uri="sip:x", response="0"'
        )
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.request(alice, "MESSAGE", f"{NUMBER}@example.net", headers=[theirs])
        self.assertEqual(len(request.all("Proxy-Authorization")), 2)
        got = trunk.request("MESSAGE")
        self.assertEqual(
            [f"Proxy-Authorization: {v}" for v in got.all("Proxy-Authorization")], [theirs]
        )
        trunk.answer(got, 200, contact=False)
        alice.response(200, "MESSAGE")
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        ours = next(
            f"Proxy-Authorization: {v}" for v in self.request_sent.all("Proxy-Authorization")
        )
        for name in ("Proxy-Authorization", "proxy-authorization", "Authorization"):
            a.send("INFO", headers=[ours.replace("Proxy-Authorization", name), theirs])
            got = trunk.request("INFO")
            self.assertEqual(
                [f"Proxy-Authorization: {v}" for v in got.all("Proxy-Authorization")], [theirs]
            )
            self.assertNotIn(b'realm="example.net"', got.raw)
            trunk.answer(got, 200, contact=False)
            alice.response(200, "INFO")
        # nor do they behind others in one header, nor does what cannot be read
        for joined in (f"{theirs}, {ours.split(': ', 1)[1]}", f"{theirs}, x", theirs + ', y="'):
            a.send("INFO", headers=[joined])
            got = trunk.request("INFO")
            self.assertEqual(got.all("Proxy-Authorization"), [])
            trunk.answer(got, 200, contact=False)
            alice.response(200, "INFO")
        # nor do they under a realm in other letters
        a.send("INFO", headers=[ours.replace('realm="example.net"', 'realm="Example.NET"')])
        got = trunk.request("INFO")
        self.assertEqual(got.all("Proxy-Authorization"), [])
        trunk.answer(got, 200, contact=False)

    def test_banned_after_wrong_digests(self):
        self.start(access='ban = "2 failures in 60s for 15m"  ban-attempts = 1')
        alice = self.phone("alice", register=False)
        uri = "sip:bob@example.net"
        challenge = self.ask(alice, "MESSAGE", uri, call_id="one")
        for n in (2, 3):
            self.ask(
                alice,
                "MESSAGE",
                uri,
                [self.credentials(challenge, "MESSAGE", uri, password="wrong", nc=n)],
                call_id="one",
                cseq=n,
            )
        self.counted("bans_made")
        alice.send_raw(alice.make("MESSAGE", uri))
        alice.silence()
        # nobody else suffers
        self.assertEqual(self.ask(self.phone("bob", register=False), "MESSAGE", uri).status, 407)


class OwnAddress(CallCase):
    def test_the_gateways_address_as_a_domain(self):
        """It stands for the first domain, whichever SIP worker has the user's slot."""
        ip, bindings = self.start(sip=2).ip, {}
        for user in ("alice", "bob", "carol"):
            phone = self.phone(user, register=False)
            answer, _ = phone.challenged(
                "REGISTER",
                f"sip:{ip}",
                to=f"{user}@{ip}",
                sender=f"{user}@{ip}",
                headers=["Expires: 600"],
            )
            self.assertIsNone(answer)
            answer = phone.final("REGISTER")
            self.assertEqual((answer.status, len(answer.all("Contact"))), (200, 1))
            bindings[f"sip:{user}@example.net"] = phone
        self.assertEqual({r["aor"] for r in self.gateway.ctl("registrations")}, set(bindings))
        alice, bob, carol = bindings.values()
        for phone, other in ((alice, bob), (bob, carol), (carol, alice)):
            uri = f"sip:{other.user}@{ip}"
            phone.challenged(
                "MESSAGE",
                uri,
                sender=f"{phone.user}@{ip}",
                to=uri[4:],
                call_id=f"own-{phone.user}",
            )
            other.answer(other.request("MESSAGE"), 200, contact=False)
            self.assertEqual(phone.final("MESSAGE").status, 200)


class Sources(CallCase):
    def test_stranger_on_the_core_listener(self):
        """A trusted zone names its sources: a request from anywhere else is dropped and counted,
        and so is a response."""
        self.start(config=CONFIG.replace('"127.0.0.0/8"', f'"{self.trunk_ip}"'))
        bob, trunk = self.phone("bob"), self.trunk()
        stranger = self.keep(Peer(own_address(), 0, (self.gateway.ip, 5062), "stranger"))
        for method in ("OPTIONS", "INVITE", "MESSAGE", "REGISTER", "ACK", "BYE"):
            stranger.send_raw(
                stranger.make(method, "sip:bob@example.net", sender="x@carrier.example"),
                stranger.to,
            )
        self.counted("drop_not_a_source", 6)
        stranger.silence(0.3)
        self.assertEqual([m for m in bob.received if m.method], [])
        self.hang_up(*self.establish(trunk, bob, "bob@example.net"))
        # by TCP there is no connection to speak on
        tcp = Peer(own_address(), 0, (self.gateway.ip, 5062), "stranger-tcp", "TCP")
        self.addCleanup(tcp.close)
        try:
            tcp.send_raw(tcp.make("OPTIONS", "sip:example.net"))
            self.assertRaises(ConnectionError, tcp.final)
        except ConnectionError:
            pass

    def test_forged_answer_from_another_source(self):
        """Somebody who has seen a branch of ours but is not of the zone cannot answer."""
        self.start(config=CONFIG.replace('"127.0.0.0/8"', f'"{self.trunk_ip}"'))
        alice, trunk = self.phone("alice"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        stranger = Peer(own_address(), 0, (self.gateway.ip, 5062), "stranger")
        self.addCleanup(stranger.close)
        stranger.answer(invite, 200, body=SDP, to=stranger.to)
        self.counted("drop_not_a_source")
        self.assertEqual(
            [m for m in alice.received if m.status == 200 and m.cseq[1] == "INVITE"], []
        )
        trunk.answer(invite, 486, "Busy Here", contact=False)
        trunk.request("ACK")
        failure_ack(alice, request, alice.response(486))


if __name__ == "__main__":
    unittest.main()
