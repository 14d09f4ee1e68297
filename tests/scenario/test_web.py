"""sipward-web: metrics and the state over HTTP, bounded whatever comes in."""
import http.client, json, re, socket, subprocess, time, xml.dom.minidom

from legs import NUMBER, CallCase, failure_ack
from gateway import own_address, wait_for

CONNECTIONS = 64  # HTTP_CONNECTIONS_MAX
REQUEST_S = 10  # HTTP_REQUEST_MS


class Web(CallCase):
    def setUp(self):
        super().setUp()
        self.web = own_address(), 9060

    def start_web(self, **words):
        bind = f"tcp:{self.web[0]}:{self.web[1]}"
        return self.start(extra=f'web {{ bind = "{bind}" }}', **words)

    def get(self, path, method="GET", headers=None, host=None):
        c = http.client.HTTPConnection(*self.web, timeout=20)
        self.addCleanup(c.close)
        c.request(method, path, headers={**({"Host": host} if host else {}), **(headers or {})})
        answer = c.getresponse()
        answer.body = answer.read()
        return answer

    def raw(self, data=b""):
        s = socket.create_connection(self.web, timeout=20)
        self.addCleanup(s.close)
        s.sendall(data)
        return s

    def counted_by_web(self, name):
        return self.gateway.counters().get(name, 0)

    def test_off_by_default(self):
        g = self.start()
        self.assertEqual(g.workers("web"), [])
        self.assertRaises(ConnectionRefusedError, self.raw)

    def test_metrics_and_state(self):
        g = self.start_web(sip=2)
        answer = self.get("/metrics")
        self.assertEqual(answer.status, 200)
        self.assertIn("version=0.0.4", answer.getheader("Content-Type"))
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=answer.body, capture_output=True
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        names = set(re.findall(r"^sipward_\w+", answer.body.decode(), re.M))
        told = set(re.findall(r"^sipward_\w+", g.ctl("metrics")["text"], re.M))
        self.assertEqual(names, told)
        alice, carrier = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, carrier, f"{NUMBER}@example.net")
        state = wait_for(
            lambda: (s := json.loads(self.get("/state.json").body))["calls"]["rows"] and s,
            "the call in the state",
        )
        self.assertEqual(state["status"]["object"]["state"], "running")
        self.assertEqual([r["trunk"] for r in state["trunks"]["rows"]], ["pbx"])
        self.assertIn("alice", json.dumps(state["registrations"]["rows"]))
        self.assertEqual(
            {r["worker"] for r in state["workers"]["rows"]},
            {"sip-0", "sip-1", "transport-0", "web-0"},
        )
        self.hang_up(a, b)
        self.no_calls()

    def test_lists_are_cut_and_say_so(self):
        users = [f"user{i:02}" for i in range(21)]
        self.start_web(users=users)
        for user in users:
            phone = self.phone(user, register=False)
            contacts = [
                f"Contact: <sip:{user}@{phone.ip}:{phone.port};line={i}>" for i in range(10)
            ]
            self.assertEqual(phone.register(headers=contacts).status, 200)

        def listed():
            answer = json.loads(self.get("/state.json").body)["registrations"]
            return len(answer["rows"]), answer.get("more")

        wait_for(lambda: listed() == (200, 10), "210 bindings in the state")

    def test_the_master_is_asked_once_a_second(self):
        self.start_web()
        begin = time.monotonic()
        bodies = {self.get("/state.json").body for _ in range(200)}
        took = time.monotonic() - begin
        self.assertLessEqual(len(bodies), took / 0.9 + 1)
        self.assertEqual(self.counted_by_web("web_too_often"), 0)

    def test_page(self):
        self.start_web()
        answer = self.get("/")
        self.assertEqual(answer.status, 200)
        policy = answer.getheader("Content-Security-Policy")
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        self.assertEqual(answer.getheader("X-Content-Type-Options"), "nosniff")
        self.assertNotRegex(answer.body, rb"(?i)https?://|innerHTML|src=|href=")

    def test_what_is_refused(self):
        self.start_web()
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.get("/", method).status, 405, method)
        self.assertEqual(self.get("/state.json", "POST").status, 405)
        self.assertRegex(
            self.gateway.log_text(), 'web-refused peer=127\\.\\S+ status=405 reason="Only GET'
        )
        self.assertEqual(self.get("/../etc/passwd").status, 404)
        self.assertEqual(self.get("/metrics/").status, 404)
        for host in ("evil.example", "evil.example:9060", "[::1", "127.0.0.1.evil.example"):
            self.assertEqual(self.get("/state.json", host=host).status, 421, host)
        for host in ("localhost:9060", "127.0.0.1", "[::1]:9060", "192.0.2.1:9060"):
            self.assertEqual(self.get("/state.json", host=host).status, 200, host)
        head = self.get("/metrics", "HEAD")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_hostile(self):
        """Huge heads, nonsense, many and slow connections: bounded, and it serves afterwards."""
        self.start_web()
        huge = self.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 15000)
        try:
            for _ in range(100):
                huge.sendall(b"b" * 10000)
            answer = huge.recv(100)
        except OSError:
            answer = b""
        self.assertNotIn(b" 200 ", answer)
        for nonsense in (b"\x16\x03\x01\x00\x00", b"\r\n" * 1000, b"GET\r\n\r\n", b"\0" * 5000):
            self.raw(nonsense)
        body = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n"
        self.raw(body + b"c" * 100000)
        slow = [self.raw(b"GET / HTTP/1.1\r\n") for _ in range(2 * CONNECTIONS)]
        wait_for(lambda: self.counted_by_web("web_connections") >= CONNECTIONS, "full")
        self.assertEqual(self.counted_by_web("web_connections"), CONNECTIONS)

        # a byte now and then does not keep them open
        def closed():
            for s in slow[:]:
                try:
                    s.sendall(b"X")
                except OSError:
                    slow.remove(s)
            # others are closed because there are too many
            least = min(2 * CONNECTIONS - len(slow), self.counted_by_web("web_slow"))
            return least >= CONNECTIONS // 2

        wait_for(closed, "them to be closed", seconds=3 * REQUEST_S)
        for s in slow:
            s.close()
        wait_for(lambda: self.get("/").status == 200, "it serves")
        self.assertEqual(self.get("/metrics").status, 200)

    def test_ladders_of_calls_and_the_history_of_targets(self):
        ips = [own_address() for _ in range(2)]
        g = self.start_web(targets=[f"sip:{ip}:5080" for ip in ips])
        alice, (bad, good) = self.phone("alice"), (self.trunk(ip=ip) for ip in ips)
        request = self.call(alice, f"{NUMBER}@example.net")
        bad.answer(bad.request("INVITE"), 503, contact=False)
        bad.request("ACK")
        invite = good.request("INVITE")
        good.answer(invite, 486, contact=False)
        good.request("ACK")
        failure_ack(alice, request, alice.response(486))
        self.no_calls()
        # that of one leg is that of the call
        for leg in (request, invite):
            answer = wait_for(
                lambda: (a := self.get(f"/ladder.svg?call={leg.get('Call-ID')}")).status == 200
                and a,
                "the ladder",
            )
            text = " ".join(
                e.firstChild.data
                for e in xml.dom.minidom.parseString(answer.body).getElementsByTagName("text")
                if e.firstChild
            )
            for word in (
                *("%s:%d" % p.sock.getsockname() for p in (alice, bad, good)),
                "503 ",
                "486 ",
                "route out",
            ):
                self.assertIn(word, text)
            self.assertIn("sandbox", answer.getheader("Content-Security-Policy"))
        # one at a time, so that nobody has workers search for as much as he likes
        self.assertEqual(self.get("/ladder.svg?call=unknown").status, 503)
        wait_for(lambda: self.get("/ladder.svg?call=unknown").status == 404, "its turn")
        for wrong in ("", "?call=", "?call=a%20b", "?call=" + 256 * "a"):
            self.assertEqual(self.get("/ladder.svg" + wrong).status, 400, wrong)
        state = json.loads(self.get("/state.json").body)
        (ended,) = state["ended"]["rows"]
        self.assertEqual((ended["status"], len(ended["targets"])), (486, 2))
        rows = {r["target"]: r for r in state["targets"]["rows"]}
        first, second = (rows[f"sip:{ip}:5080"] for ip in ips)
        self.assertEqual((first["trunk"], first["state"], second["history"]), ("pbx", "down", []))
        self.assertRegex(first["history"][0], r"^2\d+-\d\d-\d\d .* UTC down: answered 503$")

    def test_reload_and_mistakes(self):
        g = self.start_web()
        text = g.config.read_text()
        g.config.write_text(text.replace(f"tcp:{self.web[0]}:9060", "udp:127.0.0.1:9060"))
        self.assertIn("tcp:ADDRESS:PORT", str(g.ctl("reload", check=False)))
        g.config.write_text(text)
        self.assertTrue(g.ctl("reload")["ok"])
        self.assertEqual(self.get("/metrics").status, 200)

    def served(self):
        try:
            return self.get("/metrics").status == 200
        except OSError:
            return False

    def test_it_comes_moves_and_goes_with_a_reload(self):
        g = self.start()
        text = g.config.read_text()
        busy = socket.create_server((self.web[0], 9062))
        self.addCleanup(busy.close)
        for port in (9060, 9061):
            g.config.write_text(text + f'\nweb {{ bind = "tcp:{self.web[0]}:{port}" }}\n')
            self.assertTrue(g.ctl("reload")["ok"])
            self.web = self.web[0], port
            wait_for(self.served, f"it serves at {port}")
        g.config.write_text(text + f'\nweb {{ bind = "tcp:{self.web[0]}:9062" }}\n')
        self.assertIn("another process holds this port", str(g.ctl("reload", check=False)))
        self.assertTrue(self.served())
        (worker,) = g.workers("web")
        self.assertEqual((worker["starts"], worker["deaths"]), (2, 0))
        g.config.write_text(text)
        self.assertTrue(g.ctl("reload")["ok"])
        wait_for(lambda: not g.workers("web"), "it is gone")
        self.assertRaises(ConnectionRefusedError, self.raw)


if __name__ == "__main__":
    import unittest

    unittest.main()
