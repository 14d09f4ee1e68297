"""Calls over trunks: which failures go on to the next target, what a trunk's refusal looks like to
the caller (RFC 3261 sections 16.7, 17.1, 21.4.27; RFC 3263 section 4.3)."""
import re, unittest

from legs import NUMBER, SDP, CallCase, Dialog, Message, failure_ack
from gateway import own_address
from peers import digest


class Trunks(CallCase):
    def setUp(self):
        super().setUp()
        self.second_ip = own_address()

    def two(self, **words):
        self.start(targets=[f"sip:{self.trunk_ip}:5080", f"sip:{self.second_ip}:5080"], **words)
        self.alice = self.phone("alice")
        return self.trunk(), self.trunk(ip=self.second_ip, name="second")

    def fails(self, request, status):
        answer = self.alice.final("INVITE")
        self.assertEqual(answer.status, status, answer)
        failure_ack(self.alice, request, answer)
        self.no_calls()
        return answer

    def answers(self, peer, request, invite=None):
        invite = invite or peer.request("INVITE")
        tag = peer.answer(invite, 200, body=SDP)
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        peer.request("ACK")
        self.hang_up(a, Dialog.of_request(peer, invite, tag))
        self.no_calls()

    def test_next_target_on_503(self):
        one, two = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = one.request("INVITE")
        self.assertEqual(invite.uri, f"sip:{NUMBER}@{self.trunk_ip}:5080")
        one.answer(invite, 503, "Service Unavailable", headers=["Retry-After: 60"], contact=False)
        one.request("ACK")
        invite = two.request("INVITE")
        self.assertEqual(invite.uri, f"sip:{NUMBER}@{self.second_ip}:5080")
        self.answers(two, request, invite)

    def test_a_number_is_one_thing(self):
        """Routes see the same digits however they are written; the trunk gets all that belongs to
        the number (RFC 3261 section 19.1.6, RFC 4694, RFC 4904, RFC 4458)."""
        self.start()
        self.alice, trunk = self.phone("alice"), self.trunk()
        host = f"{self.trunk_ip}:5080"
        for uri, went in {
            "tel:+1202;npdi;rn=+1301": f"sip:+1202;npdi;rn=+1301@{host};user=phone",
            "sip:+1202;npdi;rn=+1301@example.net;user=phone": f"sip:+1202;npdi;rn=+1301@{host};"
            "user=phone",
            "sip:+49-30-123.456@example.net;user=phone": f"sip:+49-30-123.456@{host};user=phone",
            "sip:+1630;tgrp=a;trunk-context=b.example@example.net;user=phone;cause=486;lr": (
                f"sip:+1630;tgrp=a;trunk-context=b.example@{host};user=phone;cause=486"
            ),
        }.items():
            with self.subTest(uri=uri):
                answer, _ = self.alice.challenged("INVITE", uri)
                self.assertIsNone(answer)
                request = Message(self.alice.last_request)
                invite = trunk.request("INVITE")
                self.assertEqual(invite.uri, went)
                trunk.answer(invite, 486, "Busy Here", contact=False)
                trunk.request("ACK")
                self.fails(request, 486)

    def test_next_target_on_refused_connection(self):
        self.start(
            targets=[f"sip:{self.trunk_ip}:5080;transport=tcp", f"sip:{self.second_ip}:5080"]
        )
        self.alice, two = self.phone("alice"), self.trunk(ip=self.second_ip, name="second")
        self.answers(two, self.call(self.alice, f"{NUMBER}@example.net"))

    def test_next_target_when_nothing_comes(self):
        one, two = self.two(trunk="answer-timeout = 500ms")
        request = self.call(self.alice, f"{NUMBER}@example.net")
        late = one.request("INVITE")
        invite = two.request("INVITE")
        # it wakes up: it is told to stop
        one.answer(late, 180, "Ringing")
        c = one.request("CANCEL")
        one.answer(c, 200, contact=False)
        one.answer(late, 487, "Request Terminated", contact=False)
        one.request("ACK")
        self.answers(two, request, invite)
        self.assertEqual([m for m in self.alice.received if m.status == 180], [])

    def test_provisional_holds_the_target(self):
        one, two = self.two(trunk="answer-timeout = 500ms")
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = one.request("INVITE")
        one.answer(invite, 100, "Trying", contact=False)
        two.silence(1)
        self.answers(one, request, invite)

    def test_other_failures_are_final(self):
        for status in (404, 480, 486, 488, 500, 600, 603):
            with self.subTest(status=status):
                one, two = self.two()
                request = self.call(self.alice, f"{NUMBER}@example.net")
                one.answer(one.request("INVITE"), status, "Own Words", contact=False)
                one.request("ACK")
                self.assertEqual(self.fails(request, status).start, f"SIP/2.0 {status} Own Words")
                self.assertEqual([m for m in two.received if m.method], [])
                one.close()
                two.close()
                self.gateway.close()
                self.trunk_ip, self.second_ip = own_address(), own_address()

    def test_503_everywhere_is_500(self):
        """RFC 3261 section 16.7 step 6: 503 would turn the caller away from all of us."""
        one, two = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        for p in (one, two):
            p.answer(p.request("INVITE"), 503, "Service Unavailable", contact=False)
            p.request("ACK")
        self.fails(request, 500)

    def test_503_within_a_call_is_500(self):
        self.two()
        a, b = self.establish(self.alice, self.peers[-2], f"{NUMBER}@example.net")
        a.send("INFO")
        b.peer.answer(b.peer.request("INFO"), 503, "Service Unavailable", contact=False)
        a.peer.response(500, "INFO")

    def test_own_advertised_address_as_target(self):
        """A target that leads back to us is a loop: 482; among other targets it is passed over."""
        ours, shown = own_address(), own_address()
        listener = (
            f'listener "behind-nat" {{ bind = "udp:{ours}:5070"  zone = "core"  advertise = '
            f'"{shown}:5070" }}'
        )
        self.start(targets=[f"sip:{shown}:5070"], extra=listener)
        self.alice = self.phone("alice")
        self.fails(self.call(self.alice, f"{NUMBER}@example.net"), 482)
        self.start(
            targets=[f"sip:{shown}:5070", f"sip:{self.trunk_ip}:5080"],
            extra=listener.replace(ours, own_address()),
        )
        self.alice = self.phone("alice")
        one = self.trunk()
        self.answers(one, self.call(self.alice, f"{NUMBER}@example.net"))

    def test_challenge_of_a_trunk_passes(self):
        """The trunk knows the user: its challenge and the credentials for it pass; ours stay."""
        one, _ = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = one.request("INVITE")
        self.assertEqual(invite.all("Proxy-Authorization"), [])
        value = 'Digest realm="carrier.example", nonce="abc123", algorithm=MD5, qop="auth"'
        one.answer(
            invite,
            407,
            "Proxy Authentication Required",
            headers=[f"Proxy-Authenticate: {value}"],
            contact=False,
        )
        one.request("ACK")
        challenge = self.fails(request, 407)
        self.assertEqual(challenge.all("Proxy-Authenticate"), [value])
        uri = f"sip:{NUMBER}@example.net"
        theirs = "Proxy-Authorization: " + digest(value, "INVITE", uri, "alice", "elsewhere")
        request = self.call(self.alice, f"{NUMBER}@example.net", headers=[theirs])
        invite = one.request("INVITE")
        self.assertEqual(
            [f"Proxy-Authorization: {v}" for v in invite.all("Proxy-Authorization")], [theirs]
        )
        self.answers(one, request, invite)

    def test_challenge_of_our_realm_does_not_pass(self):
        one, _ = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        one.answer(
            one.request("INVITE"),
            407,
            "Proxy Authentication Required",
            headers=[
                'Proxy-Authenticate: Digest realm="example.net", nonce="trap", algorithm=MD5, '
                'qop="auth"'
            ],
            contact=False,
        )
        one.request("ACK")
        answer = self.alice.final("INVITE")
        failure_ack(self.alice, request, answer)
        self.assertEqual(answer.all("Proxy-Authenticate"), [])

    def test_challenge_of_a_phone_is_403(self):
        for status, name in ((401, "WWW-Authenticate"), (407, "Proxy-Authenticate")):
            with self.subTest(status=status):
                self.start()
                bob, trunk = self.phone("bob"), self.trunk()
                request = self.call(trunk, "bob@example.net")
                bob.answer(
                    bob.request("INVITE"),
                    status,
                    "Say Who",
                    headers=[f'{name}: Digest realm="evil", nonce="x"'],
                    contact=False,
                )
                bob.request("ACK")
                answer = trunk.final("INVITE")
                failure_ack(trunk, request, answer)
                self.assertEqual((answer.status, answer.all(name)), (403, []))
                # within a call as well
                a, b = self.establish(trunk, bob, "bob@example.net")
                a.send("INFO")
                bob.answer(
                    bob.request("INFO"),
                    status,
                    "Say Who",
                    headers=[f'{name}: Digest realm="evil", nonce="x"'],
                    contact=False,
                )
                answer = trunk.final("INFO")
                self.assertEqual((answer.status, answer.all(name)), (403, []))
                trunk.close()
                self.gateway.close()

    def test_redirection_tells_nothing(self):
        one, two = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = one.request("INVITE")
        one.answer(
            invite,
            302,
            "Moved Temporarily",
            contact=False,
            headers=["Contact: <sip:+4940@10.1.2.3>"],
        )
        one.request("ACK")
        answer = self.fails(request, 480)
        self.assertEqual(answer.all("Contact"), [])
        self.assertNotIn(b"10.1.2.3", answer.raw)
        self.assertEqual([m for m in two.received if m.method], [])

    def test_485_tells_nothing(self):
        """RFC 3261 section 21.4.23: 485 lists addresses in its Contact."""
        one, _ = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        one.answer(
            one.request("INVITE"),
            485,
            "Ambiguous",
            contact=False,
            headers=["Contact: <sip:x@10.1.2.3>"],
        )
        one.request("ACK")
        self.assertNotIn(b"10.1.2.3", self.fails(request, 485).raw)

    def test_tcp_trunk(self):
        self.start(targets=[f"sip:{self.trunk_ip}:5080;transport=tcp"])
        self.alice, server = self.phone("alice"), self.listen()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        trunk = self.accept(server)
        invite = trunk.request("INVITE")
        self.assertEqual(invite.uri, f"sip:{NUMBER}@{self.trunk_ip}:5080;transport=tcp")
        self.answers(trunk, request, invite)
        # the connection is used again
        request = self.call(self.alice, f"{NUMBER}@example.net")
        self.answers(trunk, request)

    def test_connection_closed_during_the_call(self):
        """A trunk may close what is idle: the next request opens another connection."""
        self.start(targets=[f"sip:{self.trunk_ip}:5080;transport=tcp"])
        self.alice, server = self.phone("alice"), self.listen()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        trunk = self.accept(server)
        invite = trunk.request("INVITE")
        trunk.answer(invite, 200, body=SDP)
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        trunk.request("ACK")
        trunk.close()
        self.counted("stream_ended")
        a.send("BYE")
        again = self.accept(server, "trunk-again")
        again.answer(again.request("BYE"), 200, contact=False)
        self.alice.response(200, "BYE")
        self.no_calls()

    def test_contact_outside_the_zone(self):
        """A trunk's Contact that is no source of its zone: its requests still go to where it is."""
        one, _ = self.two()
        request = self.call(self.alice, f"{NUMBER}@example.net")
        invite = one.request("INVITE")
        one.answer(
            invite, 200, body=SDP, contact=False, headers=["Contact: <sip:far@192.0.2.99:5070>"]
        )
        a = Dialog.of_answer(self.alice, request, self.alice.response(200, "INVITE"))
        a.ack()
        self.assertEqual(one.request("ACK").uri, "sip:far@192.0.2.99:5070")
        a.send("BYE")
        one.answer(one.request("BYE"), 200, contact=False)
        self.alice.response(200, "BYE")

    def test_tel_uri(self):
        one, _ = self.two()
        uri = "tel:+49-30-123456"
        self.alice.challenged("INVITE", uri, to="x@example.net", body=SDP)
        invite = one.request("INVITE")
        self.assertRegex(invite.uri, rf"^sip:\+[-\d]*@{self.trunk_ip}:5080;user=phone$")
        self.assertEqual(re.sub(r"\D", "", invite.uri.split("@")[0]), "4930123456")
        self.answers(one, Message(self.alice.last_request), invite)

    def test_sips_is_refused(self):
        """RFC 5630 section 5.3: it promises what we do not keep."""
        self.two()
        self.alice.challenged("INVITE", f"sips:{NUMBER}@example.net", to="x@example.net", body=SDP)
        self.fails(Message(self.alice.last_request), 416)

    def test_connection_lost_while_ringing(self):
        """The branch fails at once, not after 32 s."""
        self.start(
            targets=[f"sip:{self.trunk_ip}:5080;transport=tcp", f"sip:{self.second_ip}:5080"]
        )
        self.alice, server, two = (
            self.phone("alice"),
            self.listen(),
            self.trunk(ip=self.second_ip, name="second"),
        )
        request = self.call(self.alice, f"{NUMBER}@example.net")
        one = self.accept(server)
        one.answer(one.request("INVITE"), 180, "Ringing")
        self.alice.response(180)
        one.close()
        invite = two.receive(lambda m: m.method == "INVITE", 3, "INVITE at the second target")
        self.answers(two, request, invite)


if __name__ == "__main__":
    unittest.main()
