"""A browser as a phone: headless Chromium with JsSIP registers over WSS with digest, calls a sipp
and is called by one (RFC 7118). Run by `make test-browser`.

The browser is driven through its own debugging socket. Media need not flow: the peer's session
description is one that WebRTC takes, and nobody is behind it.
"""
import http.server, json, os, pathlib, shutil, signal, subprocess, sys, tempfile, threading, time
import unittest, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
from gateway import BUILD, CONFIG, WAIT, wait_for  # noqa: E402
from legs import NUMBER, CallCase, Dialog  # noqa: E402
from load import Sipp  # noqa: E402
from websocket import WebSocket  # noqa: E402

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
SECURE = """
certificate "main" {{ chain = "main.pem"  key = "main.key"  names = {{ "edge.example.net" }} }}
listener "wss" {{ bind = "wss:{ip}:8443"  zone = "access"  certificate = "main"
    origins = {{ "http://localhost:PORT" }} }}
"""


def webrtc_sdp(setup, mid="0"):
    """An offer that a WebRTC peer may make; nobody listens there."""
    return "\r\n".join(
        [
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {mid}",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
            "c=IN IP4 0.0.0.0",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuv",
            "a=fingerprint:sha-256 " + ":".join(["A5"] * 32),
            f"a=setup:{setup}",
            f"a=mid:{mid}",
            "a=sendrecv",
            "a=rtcp-mux",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:0 PCMU/8000",
            "",
        ]
    )


class Chromium:
    """A headless browser with one page."""

    def __init__(self, url):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-browser-"))
        self.log = open(self.dir / "log", "wb")
        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={self.dir / 'data'}", url],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.number, self.ws = 0, None
        port_file = self.dir / "data/DevToolsActivePort"
        wait_for(
            lambda: self.process.poll() is not None
            or port_file.exists()
            and port_file.read_text().count("\n"),
            "the browser to start",
            60,
        )
        if self.process.poll() is not None:
            raise AssertionError(
                "the browser ended at once:\n" + (self.dir / "log").read_text(errors="replace")
            )
        self.port = int(port_file.read_text().split()[0])
        page = wait_for(
            lambda: next(
                (p for p in self.pages() if p["type"] == "page" and p["url"].startswith(url)), None
            ),
            "the page",
        )
        self.ws = WebSocket(
            ("127.0.0.1", self.port),
            host=f"127.0.0.1:{self.port}",
            path=page["webSocketDebuggerUrl"].split(str(self.port), 1)[1],
            protocol=None,
        )
        wait_for(
            lambda: self.run("document.readyState === 'complete' && typeof JsSIP === 'object'"),
            "the page to be loaded",
        )

    def pages(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/json/list", timeout=WAIT) as f:
            return json.load(f)

    def run(self, script):
        """The value of an expression in the page."""
        self.number += 1
        self.ws.send(
            json.dumps(
                {
                    "id": self.number,
                    "method": "Runtime.evaluate",
                    "params": {"expression": script, "returnByValue": True, "awaitPromise": True},
                }
            ).encode()
        )
        while True:
            reply = json.loads(self.ws.message())
            if reply.get("id") == self.number:
                break
        if "exceptionDetails" in reply["result"]:
            raise AssertionError(f"{script}: {reply['result']['exceptionDetails']}")
        return reply["result"]["result"].get("value")

    def events(self):
        return self.run("events")

    def saw(self, event, seconds=WAIT):
        """Waits until the page noted an event that begins so; forgets it and all before it."""
        end = time.monotonic() + seconds
        while True:
            events = self.events()
            for i, e in enumerate(events):
                if e.startswith(event):
                    self.run(f"events.splice(0, {i + 1}); 0")
                    return e
            if time.monotonic() > end:
                raise AssertionError(
                    f"no {event!r} in the browser within {seconds} s; had {events}"
                )
            time.sleep(0.05)

    def close(self):
        if self.ws:
            self.ws.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Handler(http.server.SimpleHTTPRequestHandler):
    files = {
        "/": (HERE / "page.html", "text/html"),
        "/jssip.js": (BUILD / "browser/jssip.js", "text/javascript"),
    }

    def do_GET(self):
        if self.path not in self.files:
            self.send_error(404)
            return
        path, kind = self.files[self.path]
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


class Browser(CallCase):
    def setUp(self):
        super().setUp()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        port = server.server_address[1]
        # JsSIP knows MD5 alone
        config = CONFIG.replace(
            'algorithms = {{ "SHA-256", "MD5" }}', 'algorithms = {{ "MD5" }}'
        ) + SECURE.replace("PORT", str(port))
        self.start(config=config, tls=1, start=False)
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
                self.gateway.dir / "main.key",
                "-out",
                self.gateway.dir / "main.pem",
            ],
            check=True,
            capture_output=True,
        )
        self.gateway.start()
        self.page = f"http://localhost:{port}/"
        self.other_origin = f"http://127.0.0.1:{port}/"

    def browser(self, page=None):
        browser = Chromium(page or self.page)
        self.addCleanup(browser.close)
        return browser

    def registered(self, user="alice"):
        browser = self.browser()
        browser.run(f"start('wss://{self.gateway.ip}:8443', '{user}', '{user}-secret')")
        browser.saw("connected")
        browser.saw("registered")
        return browser

    def sipp(self, scenario, *words, **more):
        sipp = Sipp(self, HERE / scenario, self.trunk_ip, 5080, *words, calls=1, **more)
        self.addCleanup(lambda: sipp.process.poll() is None and sipp.end())
        return sipp

    def good(self, sipp):
        stats = sipp.wait()
        self.assertEqual(
            (sipp.code, stats.get("SuccessfulCall"), stats.get("FailedCall")),
            (0, 1, 0),
            f"{stats}\n{sipp.errors_text()}\n{self.gateway.log_text()[-3000:]}",
        )

    def test_register_call_sipp_and_be_called(self):
        """The browser calls a carrier, which is sipp, and hangs up; a sipp calls the browser, which
        answers and hangs up."""
        a = self.registered()
        carrier = self.sipp("uas")
        a.run(f"call('sip:{NUMBER}@example.net')")
        for event in ("progress remote", "accepted remote", "confirmed"):
            a.saw(event)
        a.run("session.terminate()")
        a.saw("ended local")
        self.good(carrier)
        self.no_calls()
        caller = self.sipp("uac", to=(self.gateway.ip, 5062), service="alice@example.net")
        a.saw("newRTCSession remote")
        a.run("answer()")
        a.saw("confirmed remote")
        a.run("session.terminate()")
        a.saw("ended local")
        self.good(caller)
        self.no_calls()
        a.run("ua.unregister(); 0")
        a.saw("unregistered")
        wait_for(
            lambda: "alice" not in json.dumps(self.gateway.ctl("registrations")),
            "the binding to be gone",
        )

    def test_what_passes_to_the_peer(self):
        """The same with a peer that looks at what comes: nothing of the browser's side shows."""
        a, b = self.registered(), self.phone("bob")
        # the browser calls and hangs up
        a.run("call('sip:bob@example.net')")
        invite = b.request("INVITE")
        self.assertIn("UDP/TLS/RTP/SAVPF", invite.body.decode())
        self.assertNotIn(".invalid", invite.raw.partition(b"\r\n\r\n")[0].decode())
        tag = b.answer(invite, 180, "Ringing")
        a.saw("progress remote")
        b.answer(invite, 200, tag=tag, body=webrtc_sdp("active"))
        a.saw("confirmed")
        b.request("ACK")
        a.run("session.terminate()")
        b.answer(b.request("BYE"), 200, contact=False)
        a.saw("ended local")
        self.no_calls()
        # and is called back
        request = self.call(b, "alice@example.net", body=webrtc_sdp("actpass"))
        a.saw("newRTCSession remote")
        b.response(180)
        a.run("answer()")
        ok = b.response(200, "INVITE")
        self.assertIn("UDP/TLS/RTP/SAVPF", ok.body.decode())
        dialog = Dialog.of_answer(b, request, ok)
        dialog.ack()
        a.saw("confirmed")
        dialog.send("BYE")
        b.response(200, "BYE")
        a.saw("ended remote")
        self.no_calls()
        a.run("ua.unregister(); 0")
        a.saw("unregistered")
        wait_for(
            lambda: "alice" not in json.dumps(self.gateway.ctl("registrations")),
            "the binding to be gone",
        )

    def test_refused_calls_and_messages(self):
        a, b = self.registered(), self.phone("bob")
        a.run("call('sip:bob@example.net')")
        invite = b.request("INVITE")
        b.answer(invite, 488, "Not Acceptable Here", contact=False)
        b.request("ACK")
        a.saw("failed remote Incompatible SDP")
        self.call(b, "alice@example.net", body=webrtc_sdp("actpass"))
        a.saw("newRTCSession remote")
        a.run("session.terminate({status_code: 603})")
        b.response(603)
        a.saw("failed local")
        self.no_calls()
        a.run("ua.sendMessage('sip:bob@example.net', 'hello'); 0")
        message = b.request("MESSAGE")
        self.assertEqual(message.body, b"hello")
        b.answer(message, 200, contact=False)
        self.request(b, "MESSAGE", "alice@example.net", body=b"to you", content_type="text/plain")
        self.assertEqual(a.saw("newMessage remote"), "newMessage remote to you")
        b.response(200, "MESSAGE")

    def test_wrong_password_and_wrong_origin(self):
        a = self.browser()
        a.run(f"start('wss://{self.gateway.ip}:8443', 'alice', 'guess')")
        a.saw("registrationFailed")
        b = self.browser(self.other_origin)
        b.run(f"start('wss://{self.gateway.ip}:8443', 'alice', 'alice-secret')")
        b.saw("disconnected")
        self.counted("upgrade_origin")
        self.assertNotIn("connected", b.events())


if __name__ == "__main__":
    unittest.main()
