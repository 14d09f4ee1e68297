"""SIP over WebSocket (RFC 7118): the upgrade, registration, calls from and to a browser's kind of
phone, frames, the end of a connection."""
import json, ssl, struct, subprocess, unittest

from gateway import CONFIG
from legs import CallCase, own_address, wait_for
from websocket import BINARY, CLOSE, PING, PONG, TEXT, WebSocket, WebSocketPhone

LISTENERS = """
listener "ws" {{ bind = "ws:{ip}:8080"  zone = "access"
    origins = {{ "https://app.example.net" }} }}
listener "any" {{ bind = "ws:{ip}:8081"  zone = "access" }}
"""
SECURE = """
certificate "main" {{ chain = "main.pem"  key = "main.key"  names = {{ "edge.example.net" }} }}
listener "wss" {{ bind = "wss:{ip}:8443"  zone = "access"  certificate = "main"
    origins = {{ "https://app.example.net" }} }}
"""
ORIGIN = "https://app.example.net"


class WebSockets(CallCase):
    def start(self, **words):
        return super().start(config=CONFIG + LISTENERS, **words)

    def browser(self, user, register=True, **words):
        phone = self.keep(WebSocketPhone(self.gateway, user, own_address(), origin=ORIGIN, **words))
        if register:
            answer = phone.register()
            self.assertEqual(answer.status, 200, answer)
            self.assertIn(f"<sip:{user}@{phone.host};transport=ws>", answer.get("Contact"))
        return phone

    def socket(self, port=8081, **words):
        ws = WebSocket((self.gateway.ip, port), **words)
        self.addCleanup(ws.close)
        return ws

    def test_register_and_call_a_phone(self):
        self.start()
        a, b = self.browser("alice"), self.phone("bob")
        x, y = self.establish(a, b, "bob@example.net")
        self.assertEqual(
            {m.get("Via").split(";")[0] for m in a.sent if m.method}, {f"SIP/2.0/WS {a.host}"}
        )
        self.assertNotIn("invalid", repr(self.invite_received))
        self.assertRegex(x.target, rf"^sip:[^@]+@{self.gateway.ip}:8080;transport=ws$")
        self.hang_up(y, x)
        self.no_calls()

    def test_phone_calls_browser(self):
        self.start()
        a, b = self.phone("alice"), self.browser("bob")
        x, y = self.establish(a, b, "bob@example.net")
        invite = self.invite_received
        self.assertRegex(invite.get("Via"), rf"^SIP/2.0/WS {self.gateway.ip}:8080;")
        self.assertEqual(invite.uri, f"sip:bob@{b.host};transport=ws")
        self.assertRegex(invite.contact_uri(), rf"^sip:[^@]+@{self.gateway.ip}:8080;transport=ws$")
        y.send("INFO", headers=["Info-Package: x"], body=b"x", content_type="text/plain")
        a.answer(a.request("INFO"), 200, contact=False)
        b.response(200, "INFO")
        self.hang_up(x, y)
        self.no_calls()

    def test_browser_to_browser_and_refused(self):
        self.start()
        a, b = self.browser("alice"), self.browser("bob")
        x, y = self.establish(a, b, "bob@example.net")
        self.hang_up(x, y)
        self.call(a, "bob@example.net")
        invite = b.request("INVITE")
        b.answer(invite, 488, "Not Acceptable Here", contact=False)
        b.request("ACK")
        a.response(488)
        self.no_calls()

    def test_a_call_ends_with_no_flow_to_go_to(self):
        """A binding is gone with its connection; a call to it is refused at once, not after 32
        seconds."""
        self.start()
        a, b = self.phone("alice"), self.browser("bob")
        self.assertIn("bob", json.dumps(self.gateway.ctl("registrations")))
        b.close()
        wait_for(
            lambda: "bob" not in json.dumps(self.gateway.ctl("registrations")),
            "the binding to be gone",
        )
        self.call(a, "bob@example.net")
        a.response(480, "INVITE")

    def test_upgrades_refused(self):
        self.start()
        for words, status in (
            ({}, 403),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": ORIGIN, "version": 8}, 426),
            ({"origin": ORIGIN, "protocol": "chat"}, 400),
            ({"origin": ORIGIN, "extra": ["Content-Length: 5"]}, 400),
        ):
            ws = self.socket(8080, upgrade=False)
            got, headers = ws.upgrade(**words)
            self.assertEqual(got, status, words)
            self.assertEqual(headers["connection"], "close")
            self.assertEqual(headers.get("sec-websocket-version"), "13" if status == 426 else None)
            with self.assertRaises(ConnectionError):
                ws.frame()
        ws = self.socket(8080, upgrade=False)
        ws.sock.sendall(b"OPTIONS sip:edge SIP/2.0\r\n")  # SIP without WebSocket
        self.assertEqual(ws.http()[0], 400)
        self.counted("upgrade_origin", 2)

    def test_frames(self):
        self.start()
        ws = self.socket()
        ws.send(b"there?", PING)
        self.assertEqual(ws.frame(), (PONG, b"there?"))
        ws.send(b"\r\n\r\n")
        self.assertEqual(ws.frame(), (TEXT, b"\r\n"))
        options = (
            f"OPTIONS sip:{self.gateway.ip}:8081 SIP/2.0\r\n"
            f"Via: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 0\r\n"
            f"From: <sip:a@x.invalid>;tag=1\r\nTo: <sip:{self.gateway.ip}>\r\n"
            "Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
        ).encode()  # no Content-Length: the frame ends it
        ws.send(options[:50], TEXT, fin=False)
        ws.send(b"x", PING)
        ws.send(options[50:], 0)
        self.assertEqual(ws.frame(), (PONG, b"x"))
        self.assertRegex(ws.frame()[1], rb"^SIP/2\.0 [2-6]\d\d ")
        ws.send(
            options.replace(b"z9hG4bK1", b"z9hG4bK2").replace(b"Call-ID: 1", b"Call-ID: 2"), BINARY
        )
        self.assertRegex(ws.frame()[1], rb"^SIP/2\.0 [2-6]\d\d ")
        ws.send(struct.pack(">H", 1000), CLOSE)
        self.assertEqual(ws.frame(), (CLOSE, struct.pack(">H", 1000)))
        with self.assertRaises(ConnectionError):
            ws.frame()
        self.counted("ws_closed")

    def test_broken_frames_end_the_connection(self):
        self.start()
        for send, code in (
            (lambda ws: ws.send(b"x", mask=False), 1002),
            (lambda ws: ws.send(b"x", 3), 1002),
            (lambda ws: ws.send(b"\xff"), 1007),
            (lambda ws: ws.send(bytes(70000), BINARY), 1009),
        ):
            ws = self.socket()
            send(ws)
            self.assertEqual(ws.frame(), (CLOSE, struct.pack(">H", code)))
        self.counted("ws_protocol_errors", 3)
        self.counted("ws_too_large")

    def secure(self):
        """A gateway with wss: and a certificate of its own; returns what clients trust."""
        gateway = super().start(config=CONFIG + SECURE, tls=1, start=False)
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=edge.example.net",
                "-addext",
                "subjectAltName=DNS:edge.example.net",
                "-keyout",
                gateway.dir / "main.key",
                "-out",
                gateway.dir / "main.pem",
            ],
            check=True,
            capture_output=True,
        )
        gateway.start()
        return ssl.create_default_context(cafile=str(gateway.dir / "main.pem"))

    def test_secure(self):
        tls = self.secure()
        a, b = self.browser("alice", port=8443, transport="WSS", tls=tls), self.phone("bob")
        x, y = self.establish(a, b, "bob@example.net")
        self.assertRegex(x.target, rf"^sip:[^@]+@{self.gateway.ip}:8443;transport=ws$")
        self.hang_up(x, y)
        x, y = self.establish(b, a, "alice@example.net")
        self.assertRegex(self.invite_received.get("Via"), rf"^SIP/2.0/WSS {self.gateway.ip}:8443;")
        self.hang_up(x, y)
        self.no_calls()


if __name__ == "__main__":
    unittest.main()
