"""How much a source that has not shown itself is sent for what came in its name (RFC 3261 section
26.3.2.4): source addresses of datagrams can be forged, and whoever they belong to must not be
flooded through the gateway."""
import collections, pathlib, re, selectors, time, unittest

from gateway import CONFIG, WAIT, own_address, wait_for
from legs import CallCase, Dialog, NUMBER
from peers import Message, Peer, digest

RATIO = 4  # bytes out for each byte in, at most
T2 = 1  # seconds, of the config below: no interval between retransmissions is longer
TORTURE = pathlib.Path(__file__).resolve().parents[1] / "torture"
METHODS = (
    "INVITE REGISTER OPTIONS MESSAGE SUBSCRIBE NOTIFY PUBLISH REFER INFO UPDATE PRACK BYE CANCEL "
    "ACK FOO"
).split()
# those that pass on outside of dialogs, and what each must have for that
PASSED = {
    "INVITE": "",
    "MESSAGE": "",
    "OPTIONS": "",
    "INFO": "",
    "FOO": "",
    "SUBSCRIBE": "m:sip:a\r\no:x\r\n",
    "REFER": "m:sip:a\r\nr:sip:a\r\n",
    "PUBLISH": "o:x\r\n",  # to servers
}
SDP = b"v=0\r\n" + b"a=x\r\n" * 80
USUAL = 600  # bytes that a least request is made longer by
LADDER, LADDER_STEP = 336, 12  # of the lengths of answers, in bytes
COPIES = (1, 4)  # how often a request comes
TABLE = pathlib.Path(__file__).resolve().parents[2] / "deploy/THREATS.md"
SLACK = 0.25  # between a figure there and one of here, whose addresses are shorter or longer
# zone: port
ZONES = {"access": 5060, "open": 5064, "core": 5062}
OPEN = """zone "open" {{ trust = no  auth = none }}
listener "open" {{ bind = "udp:{ip}:5064"  zone = "open" }}
"""
ROUTE = """route "open" { from = { "open" }  to-domain = "example.net"  action = "registered" }
route "open-out" { from = { "open" }  number = "^[+][0-9]{3,15}$"  action = "trunk"
    trunk = { "pbx" } }"""
TIMERS = f"timers {{ t1 = 100ms  t2 = {T2}s }}"


def smallest(method, uri, number, *, to="", more=""):
    """A request in as few bytes as the grammar allows."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"v:SIP/2.0/UDP h;branch=z9hG4bK{number}",
        "f:sip:a;tag=1",
        f"t:sip:a{to}",
        f"i:{number}",
        f"CSeq:1 {method}",
    ]
    if method == "INVITE":
        lines.append("m:sip:a")
    return ("\r\n".join(lines) + "\r\n" + more + "\r\n").encode()


class Amplification(CallCase):
    def send(self, zone, name, data):
        """Sends an input from an address of its own."""
        peer = Peer(own_address(), 0, (self.gateway.ip, ZONES[zone]), "alice")
        data = data(peer) if callable(data) else data
        peer.send_raw(data)
        self.inputs[peer] = (name, len(data))

    def all_taken(self):
        """Waits until the gateway has taken all that was sent."""
        names = ("rx_messages", "udp_keepalives", "udp_stun")

        def taken():
            counters = self.gateway.counters()
            return sum(n for c, n in counters.items() if c in names or c.startswith("parse_"))

        self.taken += len(self.inputs)
        wait_for(lambda: taken() >= self.taken, "all inputs to be taken")

    def gather(self, zone):
        """Notes all that comes back, until no timer can repeat anything any more."""
        came = {peer: [] for peer in self.inputs}
        end = time.monotonic() + 2 * WAIT
        with selectors.DefaultSelector() as selector:
            for peer in self.inputs:
                selector.register(peer.sock, selectors.EVENT_READ, peer)
            while ready := selector.select(1.5 * T2):
                self.assertLess(time.monotonic(), end, "it is repeated without end")
                for key, _ in ready:
                    came[key.data].append(Message(key.data.sock.recv(65535)))
        for peer, (name, size) in self.inputs.items():
            self.results.append((zone, name, size, came[peer]))
            peer.close()
        self.inputs = {}

    def setUp(self):
        super().setUp()
        self.inputs, self.results, self.taken = {}, [], 0

    def begin(self, **words):
        config = CONFIG.replace('domain "example.net"', OPEN + 'domain "example.net"')
        return self.start(config=config, extra=TIMERS, routes=ROUTE, **words)

    def shapes(self, method, port):
        """Requests of a method by name, whose refusals are as many statuses as there are."""
        ip = self.gateway.ip
        usual = {
            "user": ("sip:bob@example.net", {}),
            "nobody": ("sip:nobody@example.net", {}),
            "number": (f"sip:{NUMBER}@elsewhere.example", {}),
            "self": (f"sip:{ip}:{port}", {}),
            "dialog": ("sip:bob@example.net", {"to_tag": "x"}),
            "hops": ("sip:bob@example.net", {"max_forwards": 0}),
            "scheme": ("foo:bar", {}),
            "secure": ("sips:bob@example.net", {}),
            "require": ("sip:bob@example.net", {"headers": ["Require: nothing"]}),
            "replaces": ("sip:bob@example.net", {"headers": ["Replaces: a;to-tag=b;from-tag=c"]}),
        }
        # nobody is to be there afterwards
        to = {"to": "nobody@example.net"} if method == "REGISTER" else {}
        for name, (uri, words) in usual.items():
            words = to | words
            yield name, lambda p, uri=uri, words=words: p.make(method, uri, **words)
        for name, uri, words in (
            ("least user", "sip:b@example.net", {}),
            ("least self", f"sip:{ip}:{port}", {}),
            ("least", "sip:a", {}),
            ("least dialog", "sip:a", {"to": ";tag=x"}),
            ("least hops", "sip:a", {"more": "Max-Forwards:0\r\n"}),
            ("least scheme", "x:y", {}),
            ("least secure", "sips:a", {}),
            ("least require", "sip:a", {"more": "Require:x\r\n"}),
        ):
            self.number = getattr(self, "number", 0) + 1
            yield name, smallest(method, uri, self.number, **words)

    def junk(self):
        """What is no request that could be read."""
        for path in sorted(TORTURE.rglob("*")):
            if path.is_file() and path.suffix not in (".md", ".txt"):
                yield path.stem, path.read_bytes()
        least = smallest("OPTIONS", "sip:a", 1)
        for what, was, now in (
            ("version", b"SIP/2.0\r\nv", b"SIP/9.0\r\nv"),
            ("line", b"f:", b"f"),
            ("from", b"f:sip:a;tag=1\r\n", b""),
            ("uri", b"sip:a SIP", b"sip: SIP"),
            ("cseq", b"CSeq:1", b"CSeq:x"),
            ("length", b"i:1", b"i:1\r\nl:9"),
            ("utf-8", b"i:1", b"i:1\r\nx:\xff"),
        ):
            yield what, least.replace(was, now, 1)
        yield "via alone", b"X a: SIP/2.0\r\nv:SIP/2.0/UDP h\r\n\r\n"
        yield "keep-alive", b"\r\n\r\n"
        yield "STUN", bytes.fromhex("000100002112a442") + bytes(12)
        yield "response", b"SIP/2.0 200 OK\r\n" + least.partition(b"\r\n")[2]

    def wrong_credentials(self, zone, method):
        """A password that is guessed, on a nonce of ours."""
        peer = Peer(own_address(), 0, (self.gateway.ip, ZONES[zone]), "alice")
        uri = "sip:example.net" if method == "REGISTER" else "sip:bob@example.net"
        words = {"call_id": peer.id, "to": "alice@example.net"}
        peer.send_raw(peer.make(method, uri, **words))
        challenge = peer.final(method)
        name = "Proxy-Auth" if challenge.status == 407 else "Auth"
        value = challenge.all("Proxy-Authenticate") + challenge.all("WWW-Authenticate")
        header = f"{name}orization: " + digest(value[0], method, uri, "alice", "guess")
        data = peer.make(method, uri, cseq=2, headers=[header], **words)
        peer.send_raw(data)
        self.inputs[peer] = (f"{method} guess", len(data))
        self.taken += 1  # the first one

    def test_no_input_brings_more_than_its_share(self):
        self.begin()
        for zone, port in ZONES.items():
            for method in METHODS:
                for name, data in self.shapes(method, port):
                    self.send(zone, f"{method} {name}", data)
            for name, data in self.junk():
                # an octet that is not UTF-8 leaves it a request
                kind = "OPTIONS" if name == "utf-8" else "unreadable"
                self.send(zone, f"{kind} {name}", data)
            if zone == "access":
                for method in ("INVITE", "MESSAGE", "REGISTER"):
                    self.wrong_credentials(zone, method)
            self.all_taken()
            self.gather(zone)
        worst, bad, statuses = {}, [], collections.defaultdict(set)
        for zone, name, size, came in self.results:
            out = sum(len(m.raw) for m in came)
            kind = (zone, name.split()[0])
            statuses[kind].update(m.status for m in came if m.status)  # STUN has none
            if out / size > worst.get(kind, (-1,))[0]:
                worst[kind] = (out / size, name, out, size, len(came))
            # those of a trusted zone are believed
            if zone != "core" and (out > RATIO * size or len(came) > 1):
                bad.append(f"{zone} {name}: {size} bytes in, {out} out in {len(came)}")
        for (zone, method), (ratio, name, out, size, copies) in worst.items():
            print(
                f"figure: {zone} {method}: at most {ratio:.2f} bytes out for each in ({name}: "
                f"{size} in, {out} out in {copies}); {sorted(statuses[zone, method])}",
                flush=True,
            )
        self.assertEqual(bad, [])
        for zone, auth in (("access", "digest"), ("open", "none")):
            figures = {m: (r[0], r[1]) for (z, m), r in worst.items() if z == zone}
            self.compare(f"refused, `auth = {auth}`", figures)
        # they were answered, and not all dropped
        self.assertLessEqual({407, 481, 483}, statuses["access", "INVITE"])
        self.assertLessEqual({403, 404, 416, 420, 480, 481, 483}, statuses["open", "INVITE"])
        self.assertLessEqual({405, 501}, statuses["open", "PUBLISH"] | statuses["open", "FOO"])
        self.assertLessEqual({400, 505}, statuses["access", "unreadable"])
        self.assertEqual(statuses["access", "ACK"], set())

    # ---- what the other side says of a request that is passed on ----

    def answer_long(self, callee, request):
        callee.answer(request, 200, tag="b", body=SDP * 3)

    def answer_error(self, callee, request):
        callee.answer(request, 404, "No " * 150, headers=["X-Long: " + "x" * 600])

    def answer_redirect(self, callee, request):
        contacts = [f"Contact: <sip:{i}@x.example;x={'x' * 200}>" for i in range(5)]
        callee.answer(request, 302, "Moved", headers=contacts, contact=False)

    def answer_challenge(self, callee, request):
        nonce = "n" * 1000
        headers = [f'Proxy-Authenticate: Digest realm="x", nonce="{nonce}"']
        callee.answer(request, 407, "Who", headers=headers, contact=False)

    def answer_ring(self, callee, request):
        for i in range(10):
            callee.answer(request, 180 + 3 * (i % 2), "Progress", tag="b", body=SDP)
        callee.answer(request, 200, tag="b", body=SDP)

    def answer_forks(self, callee, request):
        """As a proxy behind which five phones answer; each notifies."""
        for i in range(5):
            if request.method == "INVITE":
                callee.answer(request, 183, "Progress", tag=f"f{i}", body=SDP)
        for i in range(5):
            callee.answer(request, 200, tag=f"f{i}", body=SDP)
            if request.method in ("SUBSCRIBE", "REFER"):
                headers = [f"Event: {'x' if request.method == 'SUBSCRIBE' else 'refer'}"]
                headers.append("Subscription-State: active;expires=600")
                dialog = Dialog.of_request(callee, request, f"f{i}")
                dialog.send("NOTIFY", headers=headers, body=b"x" * 260, content_type="text/plain")

    def answer_ladder(self, callee, request):
        """In bodies of all lengths, one of which makes the answer as long as it may be."""
        self.length = (getattr(self, "length", 0) + LADDER_STEP) % LADDER
        callee.answer(request, 200, tag="b", body=b"x" * self.length)

    def passed_on(self, method, what, usual, copies, callee):
        """A request of a stranger, which comes as often, and is answered so by the other side."""
        self.number = getattr(self, "number", 0) + 1
        subject = str(self.number)
        more = PASSED[method] + f"s:{subject}\r\n" + ("X:" + "x" * USUAL + "\r\n" if usual else "")
        user = "bob" if callee.name == "bob" else NUMBER
        data = smallest(method, f"sip:{user}@example.net", f"p{self.number}", more=more)
        self.send("open", f"{method} {what}, {copies} of {len(data)} bytes", data)
        peer, (name, size) = list(self.inputs.items())[-1]
        # not one of before, repeated
        request = callee.receive(lambda m: m.status is None and m.get("Subject") == subject)
        getattr(self, f"answer_{what}")(callee, request)
        for _ in range(copies - 1):
            peer.send_raw(data)
        self.inputs[peer] = (name, copies * size)

    def compare(self, column, worst):
        """The worst ratios by method are those of the table's column."""
        _, head, text = TABLE.read_text().partition("  | Method |")
        rows = [r.strip("| ").split(" | ") for r in (head + text.partition("\n\n")[0]).split("\n")]
        place, table = rows[0].index(column), {}
        for row in rows[2:]:
            methods = row[0].replace("what cannot be read", "unreadable").split(" (")[0]
            if row[place] != "-":
                table.update(dict.fromkeys(methods.split(", "), float(row[place])))
        self.assertEqual(set(table), set(worst))
        for method, (ratio, name) in worst.items():
            self.assertAlmostEqual(table[method], ratio, delta=SLACK, msg=f"{method}: {name}")

    def test_whatever_the_other_side_says(self):
        """Nor is it more for any method that is passed on for a stranger: provisional responses,
        answers, their repetitions, and what is asked in the dialogs. An answer that is too long
        waits until the request comes again."""
        self.begin()
        bob, trunk = self.phone("bob"), self.trunk()
        answers = "long error redirect challenge ring forks".split()
        for method in PASSED:
            for _ in range(0, LADDER, LADDER_STEP):
                self.passed_on(method, "ladder", False, 1, trunk if method == "PUBLISH" else bob)
            for what in answers:
                if what == "ring" and method != "INVITE":
                    continue
                callee = trunk if what == "challenge" or method == "PUBLISH" else bob
                for usual in (False, True):
                    for copies in COPIES:
                        self.passed_on(method, what, usual, copies, callee)
        self.gather("open")
        worst, statuses, waited = {}, set(), 0
        for _, name, size, came in self.results:
            method, ratio = name.split()[0], sum(len(m.raw) for m in came) / size
            worst[method] = max(worst.get(method, (0, "")), (ratio, name))
            self.assertLessEqual(ratio, RATIO, name)
            finals = {m.status for m in came if m.status and m.status >= 200}
            statuses |= finals
            waited += not finals
            if size > USUAL:  # an ordinary client notices nothing
                self.assertEqual(len(finals), 1, name)
        for method, (ratio, name) in worst.items():
            print(f"figure: {method} passed on: at most {ratio:.2f} ({name})", flush=True)
        self.assertLessEqual({200, 404, 407, 480}, statuses)
        self.compare("passed on, `auth = none`", worst)
        self.assertGreater(self.gateway.counters()["messages_withheld"], 0)
        self.assertGreater(waited, 0)
        self.counted("answers_never_sent", waited)
        self.assertIn("answer too large for a source", self.gateway.log_text())

    def test_failures_that_are_passed_on(self):
        """Nor does the failure of a call that a stranger places, in a zone that asks nobody,
        whatever the callee says."""
        self.begin()
        bob = self.phone("bob")
        for number, headers in enumerate(([], ["X-Long: " + "x" * 1200])):
            self.send("open", "INVITE", smallest("INVITE", "sip:bob@example.net", number))
            bob.answer(bob.request("INVITE"), 486, "Busy Here", headers=headers)
            bob.request("ACK")
            self.send("open", "MESSAGE", smallest("MESSAGE", "sip:bob@example.net", number))
            bob.answer(bob.request("MESSAGE"), 404, "Not Here", headers=headers)
        self.gather("open")
        for zone, name, size, came in self.results:
            finals = [m.status for m in came if m.status >= 200]
            self.assertEqual(finals, [486 if name == "INVITE" else 404])
            self.assertLessEqual(sum(len(m.raw) for m in came), RATIO * size, came)

    def test_same_answer_anew(self):
        """A retransmitted INVITE is refused with the same To tag; its ACK is for nobody."""
        self.begin()
        for zone, status in (("access", 407), ("open", 480)):
            peer = Peer(own_address(), 0, (self.gateway.ip, ZONES[zone]), "alice")
            self.addCleanup(peer.close)
            raw = peer.make("INVITE", "sip:bob@example.net")
            peer.send_raw(raw)
            first = peer.response(status)
            peer.send_raw(raw)
            second = peer.response(status)
            self.assertTrue(first.tag("To"))
            self.assertEqual(first.tag("To"), second.tag("To"))
            branch = re.search(r"branch=([^;\s]+)", Message(raw).get("Via")).group(1)
            peer.send_raw(
                peer.make(
                    "ACK",
                    "sip:bob@example.net",
                    call_id=first.get("Call-ID"),
                    to_tag=first.tag("To"),
                    branch=branch,
                    contact=False,
                )
            )
        self.counted("acks_absorbed", 2)
        counters = self.gateway.counters()
        self.assertEqual(counters.get("transactions_server", 0), 0)
        self.assertEqual(counters.get("ack_unmatched", 0), 0)
        self.assertEqual(counters["answers_stateless"], 4)

    def test_shown_sources_keep_transactions(self):
        """Right credentials, a stream and a trusted source: a lost answer is repeated."""
        self.begin()
        alice = self.phone("alice", register=False)
        request = self.call(alice, "nobody@example.net")
        self.assertEqual([alice.response(403).status for _ in range(3)], [403] * 3)
        trunk = self.trunk()
        self.call(trunk, "nobody@example.net")
        self.assertEqual([trunk.response(404).status for _ in range(3)], [404] * 3)
        self.assertEqual(request.method, "INVITE")
        before = self.gateway.counters()["transactions_server"]
        tcp = self.phone("bob", "TCP", register=False)
        tcp.send_raw(tcp.make("INVITE", "sip:bob@example.net", sender="bob@example.net"))
        tcp.response(407)
        self.assertEqual(self.gateway.counters()["transactions_server"], before + 1)

    def test_budget(self):
        """A source gets no more refusals than its zone allows; whoever has not used his up is
        answered."""
        self.begin(access='rate = off  refusals-per-source = 3  refusals-per-prefix = "off"')
        peers = [Peer(own_address(), 0, (self.gateway.ip, 5060), f"phone {i}") for i in range(2)]
        for peer in peers:
            self.addCleanup(peer.close)
        for i in range(40):
            peers[0].send_raw(peers[0].make("MESSAGE", "sip:bob@example.net"))
        self.counted("answers_over_budget", 20)
        self.assertIn("refusals-over-budget source=" + peers[0].ip, self.gateway.log_text())
        peers[1].send_raw(peers[1].make("MESSAGE", "sip:bob@example.net"))
        peers[1].response(407)


if __name__ == "__main__":
    unittest.main()
