"""How streams end: half-close, junk behind a good message, a Content-Length too small, over TCP,
TLS, WS and WSS; keep-alives; a trunk's connection that closes before it has answered."""
import socket, ssl, struct, unittest

from gateway import WAIT, own_address, wait_for
from legs import NUMBER, SDP, Dialog, failure_ack
from tls import CONFIG as TLS_CONFIG, TlsCase, TlsServer
from websocket import CLOSE, TEXT, WebSocket, WebSocketPhone

LISTENERS = """
listener "core-tcp" {{ bind = "tcp:{ip}:5062"  zone = "core" }}
listener "ws" {{ bind = "ws:{ip}:8080"  zone = "access" }}
listener "wss" {{ bind = "wss:{ip}:8443"  zone = "access"  certificate = "main"
    origins = {{ "https://app.example.net", "none" }} }}
"""


class Streams(TlsCase):
    """One gateway for all of them."""

    def begin(self, **words):
        return self.secure(config=TLS_CONFIG + LISTENERS, **words)

    def begin_with_trunk(self, **words):
        return self.begin(targets=[f"sip:{self.trunk_ip}:5080"], trunk="", **words)

    def open(self, kind, user="alice"):
        """A phone that has said nothing, on a stream of that kind."""
        if kind == "TCP":
            return self.phone(user, "TCP", register=False)
        if kind == "TLS":
            return self.tls_phone(user, register=False)
        words = {}
        if kind == "WSS":
            words = {
                "port": 8443,
                "tls": ssl.create_default_context(cafile=str(self.authority.pem)),
                "name": "sip.example.net",
            }
        return self.keep(WebSocketPhone(self.gateway, user, own_address(), transport=kind, **words))

    def half_close(self, phone):
        sock = phone.ws.sock if hasattr(phone, "ws") else phone.sock
        if isinstance(sock, ssl.SSLSocket):
            # the end of what we send, without close_notify: Python has no half of it
            socket.socket.shutdown(sock, socket.SHUT_WR)
        else:
            sock.shutdown(socket.SHUT_WR)

    def is_closed(self, phone):
        """Nothing but keep-alives and a Close follows, then the end."""
        with self.assertRaises((ConnectionError, ssl.SSLError)):
            while True:
                phone.receive(lambda m: True, what="the end")

    def refused_behind(self, trunk, alice, status, reason):
        """The trunk answers provisionally, then with a failure: alice gets both before the end."""
        invite = trunk.request("INVITE")
        trunk.answer(invite, status, reason)
        alice.response(status)
        trunk.answer(invite, 486, "Busy Here", contact=False)
        trunk.request("ACK")
        self.assertEqual(alice.final("INVITE").status, 486)
        self.is_closed(alice)
        self.no_calls()

    def cancelled_behind(self, trunk, invite, seconds=WAIT):
        """The trunk gets a CANCEL within that time."""
        trunk.answer(trunk.request("CANCEL", seconds), 200, contact=False)
        trunk.answer(invite, 487, "Request Terminated", contact=False)
        trunk.request("ACK")

    def test_half_closed(self):
        self.begin()
        for kind in ("TCP", "TLS", "WS", "WSS"):
            with self.subTest(kind=kind):
                phone = self.open(kind)
                phone.send_raw(phone.make("REGISTER", "sip:example.net", to="alice@example.net"))
                self.half_close(phone)
                self.assertEqual(phone.final("REGISTER").status, 401)
                self.is_closed(phone)
        self.assertEqual(self.gateway.counters().get("stream_unfinished", 0), 0)

    def test_half_closed_after_an_invite(self):
        """The answer comes from behind, after a while."""
        self.begin_with_trunk()
        trunk = self.trunk()
        for kind in ("TCP", "TLS", "WS", "WSS"):
            with self.subTest(kind=kind):
                alice = self.open(kind)
                self.call(alice, f"{NUMBER}@example.net")
                self.half_close(alice)
                self.refused_behind(trunk, alice, 180, "Ringing")

    def test_gone_while_it_rings(self):
        """A caller that has closed both halves is no half-closed one: the trunk is told soon."""
        self.begin_with_trunk()
        trunk = self.trunk()
        for kind in ("TCP", "TLS", "WS", "WSS"):
            with self.subTest(kind=kind):
                alice = self.open(kind)
                self.call(alice, f"{NUMBER}@example.net")
                invite = trunk.request("INVITE")
                trunk.answer(invite, 180, "Ringing")
                alice.response(180)
                alice.close()
                self.cancelled_behind(trunk, invite, 5)
                self.no_calls()

    def test_half_closed_phone_is_no_binding(self):
        """Nothing that would come to it could be answered, while its own INVITE still is."""
        self.begin_with_trunk()
        alice, bob, trunk = self.open("TCP"), self.open("TCP", "bob"), self.trunk()
        self.assertEqual(alice.register().status, 200)
        self.assertEqual(bob.register().status, 200)
        self.call(alice, f"{NUMBER}@example.net")
        invite = trunk.request("INVITE")
        self.half_close(alice)
        wait_for(
            lambda: "alice" not in repr(self.gateway.ctl("registrations")), "the binding to go"
        )
        self.call(bob, "alice@example.net")
        self.assertEqual(bob.final("INVITE").status, 480)
        trunk.answer(invite, 603, "Decline", contact=False)
        trunk.request("ACK")
        self.assertEqual(alice.final("INVITE").status, 603)
        self.is_closed(alice)

    def test_junk_behind_a_good_message(self):
        self.begin_with_trunk()
        trunk = self.trunk()
        junk = {
            "TCP": lambda p: p.sock.sendall(b"\0\1\2 junk\r\n"),
            "TLS": lambda p: p.sock.sendall(b"o=- 1 1 IN IP4 x\r\n" + bytes(20000)),
            "WS": lambda p: p.ws.sock.sendall(b"\xff\xff\xff\xff"),
            "WSS": lambda p: p.ws.send(b"x", mask=False),
        }
        for kind, send in junk.items():
            with self.subTest(kind=kind):
                alice = self.open(kind)
                request = self.call(alice, f"{NUMBER}@example.net")
                send(alice)
                self.refused_behind(trunk, alice, 183, "Session Progress")

    def test_junk_and_no_answer(self):
        """The call is not left on the trunk: where no answer comes in 64 * T1, it is cancelled."""
        self.begin_with_trunk(extra="timers { t1 = 100ms }")
        alice, trunk = self.open("TCP"), self.trunk()
        self.call(alice, f"{NUMBER}@example.net")
        alice.sock.sendall(b"=junk\r\n")
        invite = trunk.request("INVITE")
        trunk.answer(invite, 180, "Ringing")
        alice.response(180)
        self.cancelled_behind(trunk, invite)
        self.is_closed(alice)
        self.no_calls()
        self.counted("stream_unfinished")

    def test_junk_and_a_call_that_is_answered(self):
        """Its ACK comes by another connection, as RFC 3261 section 18 lets it."""
        self.begin_with_trunk()
        alice, trunk = self.open("TCP"), self.trunk()
        request = self.call(alice, f"{NUMBER}@example.net")
        alice.sock.sendall(b"=junk\r\n")
        invite = trunk.request("INVITE")
        tag = trunk.answer(invite, 200, body=SDP)
        ok = alice.response(200, "INVITE")
        self.is_closed(alice)
        again = self.open("TCP")
        self.peers.remove(again)  # it is alice, and no other side
        a, b = Dialog.of_answer(again, request, ok), Dialog.of_request(trunk, invite, tag)
        a.ack()
        trunk.request("ACK")
        self.hang_up(a, b)
        self.no_calls()

    def test_content_length_too_small(self):
        self.begin()
        for kind in ("TCP", "TLS"):
            for body, length in ((SDP, 20), (SDP, 0), ("12345", 2)):
                with self.subTest(kind=kind, length=length):
                    phone = self.open(kind)
                    first = phone.make(
                        "MESSAGE", "sip:bob@example.net", body=body, call_id=f"first-{phone.id}"
                    ).replace(
                        f"Content-Length: {len(body)}".encode(),
                        f"Content-Length: {length}".encode(),
                    )
                    phone.sock.sendall(first + phone.make("OPTIONS", "sip:example.net"))
                    self.assertEqual(phone.final("MESSAGE").status, 407)
                    self.is_closed(phone)
                    self.assertEqual([m for m in phone.received if m.status not in (400, 407)], [])
        counters = self.gateway.counters()
        self.assertEqual((counters["frame_not_sip"], counters["stream_adrift"]), (4, 2))
        log = self.gateway.log_text()
        self.assertRegex(log, r"message-dropped peer=127\.\S+ transport=TCP reason=stream_adrift")
        self.assertRegex(log, r'message-dropped peer=127\.\S+ transport=TCP reason="')

    def test_each_ping_has_its_pong(self):
        self.begin()
        for kind in ("TCP", "TLS"):
            phone = self.open(kind)
            phone.sock.sendall(b"\r\n\r\n" * 100)
            got = b""
            while len(got) < 200:
                got += phone.sock.recv(4096)
            self.assertEqual(got, b"\r\n" * 100)
            phone.sock.sendall(b"\r\n\r\n" + phone.make("OPTIONS", "sip:example.net") + b"\r\n\r\n")
            while got.count(b"\r\n\r\n") < 1 or not got.endswith(b"\r\n\r\n\r\n"):
                got += phone.sock.recv(4096)
        for kind in ("WS", "WSS"):
            phone = self.open(kind)
            for _ in range(100):
                phone.ws.send(b"\r\n\r\n")
            self.assertEqual([phone.ws.frame() for _ in range(100)], [(TEXT, b"\r\n")] * 100)
        self.assertGreaterEqual(self.gateway.counters()["stream_pings"], 404)

    def test_a_frame_is_refused_at_its_head(self):
        self.begin()
        for kind in ("WS", "WSS"):
            phone = self.open(kind)
            phone.ws.sock.sendall(b"\x82\xff" + struct.pack(">Q", 70000))
            self.assertEqual(phone.ws.frame(), (CLOSE, struct.pack(">H", 1009)))
        self.counted("ws_too_large", 2)
        wanted = r"message-dropped peer=127\.\S+ transport=WS reason=ws_too_large"
        self.assertRegex(self.gateway.log_text(), wanted)

    def test_a_program_without_an_origin(self):
        self.begin()
        phone = self.open("WSS")
        self.assertEqual(phone.register().status, 200)
        tls = ssl.create_default_context(cafile=str(self.authority.pem))
        for origin, status in (
            ("https://app.example.net", 101),
            ("https://evil.example", 403),
            ("null", 403),
            ("none", 403),
        ):
            ws = WebSocket((self.gateway.ip, 8443), tls=tls, name="sip.example.net", upgrade=False)
            self.addCleanup(ws.close)
            self.assertEqual(ws.upgrade(origin=origin)[0], status, origin)

    def answered_by_second(self, end, secure=False):
        """The first target's connection ends so before any provisional response: the second one
        has the call at once."""
        if secure:
            targets = [f"sip:{self.trunk_ip}:5081;transport=tls"]
        else:
            targets = [f"sip:{self.trunk_ip}:5080;transport=tcp"]
        second_ip = own_address()
        self.begin(
            targets=targets + [f"sip:{second_ip}:5080"],
            trunk="answer-timeout = 32s" + (' tls-name = "pbx.example.net"' if secure else ""),
        )
        if secure:
            pem, key = self.authority.issue("pbx", "DNS:pbx.example.net", "P-256")
            server = TlsServer(self.trunk_ip, 5081, pem, key)
            self.addCleanup(server.close)
        else:
            server = self.listen()
        alice, two = self.phone("alice"), self.trunk(ip=second_ip, name="second")
        request = self.call(alice, f"{NUMBER}@example.net")
        one = self.keep(server.accept()) if secure else self.accept(server)
        one.request("INVITE")
        end(one)
        invite = two.receive(lambda m: m.method == "INVITE", 3, "INVITE at the second target")
        two.answer(invite, 486, "Busy Here", contact=False)
        two.request("ACK")
        answer = alice.final("INVITE")
        failure_ack(alice, request, answer)
        self.assertEqual(answer.status, 486)
        self.no_calls()

    def test_trunk_closes_before_a_provisional(self):
        self.answered_by_second(lambda one: one.close())

    def test_trunk_half_closes_before_a_provisional(self):
        self.answered_by_second(lambda one: one.sock.shutdown(socket.SHUT_WR))

    def test_trunk_says_junk_before_a_provisional(self):
        self.answered_by_second(lambda one: one.sock.sendall(b"220 smtp.example.net\r\n"))

    def test_trunk_answers_what_cannot_be_framed(self):
        """The call is ended at the trunk by a new connection, and the caller is told at once."""
        self.begin(targets=[f"sip:{self.trunk_ip}:5080;transport=tcp"], trunk="")
        server, alice = self.listen(), self.phone("alice")
        request = self.call(alice, f"{NUMBER}@example.net")
        one = self.accept(server)
        invite = one.request("INVITE")
        lines = ["SIP/2.0 200 OK", f"To: {invite.get('To')};tag=t", f"Contact: {one.contact('b')}"]
        lines += [f"{name}: {invite.get(name)}" for name in ("Via", "From", "Call-ID", "CSeq")]
        lines += ["Content-Length: 0", "Content-Length: 9", "", ""]
        one.sock.sendall("\r\n".join(lines).encode())
        again = self.accept(server, "trunk-again")
        ack, bye = again.request("ACK"), again.request("BYE")
        self.assertEqual((ack.tag("To"), bye.tag("To")), ("t", "t"))
        again.answer(bye, 200, contact=False)
        answer = alice.final("INVITE")
        failure_ack(alice, request, answer)
        self.assertEqual(answer.status, 502)
        self.is_closed(one)
        self.no_calls()

    def test_tls_trunk_closes_before_a_provisional(self):
        self.answered_by_second(lambda one: one.close(), secure=True)


if __name__ == "__main__":
    unittest.main()
