"""sipwardctl trace: the messages of both legs and what was decided between them, with every
credential blanked, within bounds."""
import os, pathlib, re, socket, struct, unittest, xml.dom.minidom

from legs import NUMBER, SDP, CallCase, failure_ack

PICTURE = pathlib.Path(__file__).resolve().parents[2] / "doc/ladder.svg"
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0LWtleQ"


def packets(raw):
    """The datagrams of a capture file as (source, destination, payload), checksums checked."""
    magic, major, minor, _, _, _, link = struct.unpack("=IHHIIII", raw[:24])
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    raw, found = raw[24:], []
    while raw:
        seconds, micro, have, size = struct.unpack("=IIII", raw[:16])
        packet, raw = raw[16 : 16 + have], raw[16 + have :]
        assert len(packet) == have == size and micro < 1000000 and seconds
        head = packet[:20]
        assert head[0] == 0x45 and head[9] == 17
        assert struct.unpack("!H", head[2:4])[0] == have
        udp = packet[20:]
        pseudo = head[12:20] + struct.pack("!BBH", 0, 17, len(udp))
        for text in (head, pseudo + udp):
            text += b"\0" * (len(text) % 2)
            total = sum(struct.unpack(f"!{len(text) // 2}H", text))
            assert total % 0xFFFF == 0, "checksum"
        source, to, length, _ = struct.unpack("!HHHH", udp[:8])
        assert length == len(udp)
        found.append(
            (
                (socket.inet_ntoa(head[12:16]), source),
                (socket.inet_ntoa(head[16:20]), to),
                udp[8:],
            )
        )
    return found


class Trace(CallCase):
    def trace(self, *words, width=100):
        """What sipwardctl trace prints."""
        env = {"COLUMNS": str(width), "LANG": "C.UTF-8"}
        done = self.gateway.run_ctl("trace", *words, env=env, encoding="utf-8")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def traced(self, *words):
        """The same as an object."""
        return self.gateway.ctl("trace", *words)

    def labels(self, text):
        """The arrows and notes of a ladder in their order, without times and bars."""
        lines = [re.sub(r"^ *\d+\.\d+", "", t) for t in text.splitlines()]
        return [re.sub(r"[│─▶◀]+", " ", t).strip() for t in lines if re.search("[▶◀●]", t)]

    def one_call(self, body=SDP):
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net", body=body)
        self.hang_up(a, b)
        self.no_calls()
        return alice, trunk, a, b

    def test_both_legs_of_a_call(self):
        self.start(sip=2)
        alice, trunk, a, b = self.one_call()
        ladders = {w: self.trace(w, v) for w, v in self.filters(alice, a)}
        legs = {a.call_id, b.call_id}
        for text in ladders.values():
            said = self.labels(text[text.index(f"Call-ID {a.call_id}") :])
            wanted = ("INVITE (SDP)", "route out", "trunk pbx", "INVITE (SDP)", "200 OK (SDP)")
            wanted += (
                "200 OK (SDP)",
                "ACK",
                "ACK",
                "BYE",
                "BYE",
                "200 OK (BYE)",
                "ended by caller",
            )
            at = 0
            for word in wanted:
                at = next((i for i in range(at, len(said)) if word in said[i]), None)
                self.assertIsNotNone(at, f"{word} in {said}")
                at += 1
            self.assertTrue(all(len(t) <= 100 for t in text.splitlines()), text)
        for word, value in self.filters(alice, a):
            ids = {m["call-id"] for m in self.traced(word, value)["messages"]}
            self.assertLessEqual(legs, ids, word)
            if word in ("--call", "--trunk"):
                self.assertEqual(ids, legs, word)
        self.assertEqual(self.trace("--call", "nobody"), "none\n")
        self.assertEqual(self.trace("--user", "alic"), "none\n")
        self.assertEqual(self.trace("--source", "192.0.2.1"), "none\n")

    def filters(self, alice, a):
        return (
            ("--call", a.call_id),
            ("--user", "alice"),
            ("--trunk", "pbx"),
            ("--source", alice.ip),
        )

    def test_narrow_and_plain_terminals(self):
        self.start()
        _, _, a, _ = self.one_call()
        for width in (40, 60, 80, 200):
            text = self.trace("--call", a.call_id, width=width)
            self.assertTrue(all(len(t) <= width for t in text.splitlines()[1:]), text)
        self.assertTrue(self.trace("--call", a.call_id, "--ascii").isascii())

    def as_example(self, svg, alice):
        """A picture with addresses for examples (RFC 5737), and without times, which differ."""
        svg = re.sub(r'<text [^>]*class="t">[^<]*</text>\n', "", svg)
        svg = re.sub(r" after \d+ ms", "", svg)
        svg = re.sub(r"\(line \d+ of", "(line 42 of", svg)
        svg = svg.replace(f"{alice.ip}:{alice.port}", "192.0.2.10:5060")
        return svg.replace(self.trunk_ip, "198.51.100.1")

    def test_what_rules_changed(self):
        rules = 'rules = { "header set X-Trace yes", "from user ^alice$ 4930100" }'
        self.start(trunk=rules)
        _, _, a, _ = self.one_call()
        text = self.trace("--call", a.call_id)
        said = [t for t in self.labels(text) if "rule of" in t]
        config = self.gateway.config.read_text().splitlines()
        line = 1 + next(i for i, t in enumerate(config) if "X-Trace" in t)
        self.assertEqual(
            said,
            [
                f'● rule of trunk pbx (line {line}): "header set X-Trace yes"',
                f'● rule of trunk pbx (line {line}): "from user ^alice$ 4930100": alice '
                "becomes 4930100",
            ],
        )
        self.assertLess(text.index("route out"), text.index("rule of"))
        self.assertLess(text.index("rule of"), text.index("target 1"))

    def test_a_call_that_failed_over(self):
        ip = self.trunk_ip
        # nothing is sent twice
        timers = "timers {\n\tt1 = 5s\n\tt2 = 60s\n}"
        self.start(targets=[f"sip:{ip}:5080", f"sip:{ip}:5081"], extra=timers)
        alice, one, two = self.phone("alice"), self.trunk(5080), self.trunk(5081)
        request = self.call(alice, f"{NUMBER}@example.net")
        one.answer(one.request("INVITE"), 503, "Service Unavailable", contact=False)
        one.request("ACK")
        two.answer(two.request("INVITE"), 486, "Busy Here", contact=False)
        two.request("ACK")
        failure_ack(alice, request, alice.response(486))
        self.no_calls()
        text = self.trace("--call", request.get("Call-ID"), width=120)
        said = self.labels(text)
        at = [
            next(i for i, t in enumerate(said) if word in t)
            for word in ("target 1: trunk pbx", "503", "target 1: answered, 503", "target 2: ")
        ]
        self.assertEqual(at, sorted(at), text)
        self.assertIn(f"{ip}:5081", text)
        self.assertIn("ended by callee", said[-1])

        # as doc/ladder.svg shows it; SIPWARD_DRAW=1 draws that anew
        path = self.gateway.dir / "ladder.svg"
        self.trace("--call", request.get("Call-ID"), "--svg", path)
        drawn = xml.dom.minidom.parse(str(path))
        words = [t.firstChild.data for t in drawn.getElementsByTagName("text") if t.firstChild]
        self.assertIn("503 Service Unavailable", words)
        self.assertTrue(any("target 2: " in w for w in words), words)
        picture = self.as_example(path.read_text(), alice)
        if os.environ.get("SIPWARD_DRAW"):
            PICTURE.write_text(picture)
        self.assertEqual(picture, PICTURE.read_text())

    def test_what_is_decided_at_once(self):
        """It stands behind the message that it is of, though both are of one millisecond."""
        self.start()
        alice = self.phone("alice")
        for to, status, wanted in (
            ("nobody@example.net", 403, ("INVITE", "407", "INVITE", "no route", "403", "ended")),
            (
                f"{NUMBER}@example.net",  # where nobody is
                500,
                ("407", "route out", "target 1: trunk", "INVITE", "target 1: unreachable", "500"),
            ),
        ):
            request = self.call(alice, to)
            failure_ack(alice, request, alice.response(status))
            self.no_calls()
            text, at = self.trace("--call", request.get("Call-ID")), 0
            for word in wanted:
                at = text.find(word, at) + 1
                self.assertTrue(at, f"{word} in {text}")

    def test_nothing_secret_is_kept(self):
        self.start()
        self.one_call(body=SDP + CRYPTO + "\r\n")
        text = self.trace("--raw") + str(self.traced())
        self.assertRegex(text, r'response="x{32,}"')
        self.assertNotRegex(text, r'response="[^x]')
        self.assertNotRegex(text, r", nc=[^x]")
        self.assertIn("a=crypto:", text)
        self.assertNotIn("c2VjcmV0", text)

    def test_nothing_commands_the_terminal(self):
        """C1 control characters, of which U+009B begins a sequence, from whoever ends the call."""
        self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        a.send("BYE", headers=['Reason: Q.850;cause=16;text="x\u009b2Jy"'])
        trunk.answer(trunk.request("BYE"), 200, contact=False)
        alice.response(200, "BYE")
        self.no_calls()
        for words in ((), ("--raw",)):
            text = self.trace(*words)
            self.assertRegex(text, r"ended by caller.*\?2Jy")
            self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_a_capture_file(self):
        self.start()
        alice, trunk, a, b = self.one_call()
        path = self.gateway.dir / "calls.pcap"
        self.trace("--call", a.call_id, "--pcap", path)
        found = packets(path.read_bytes())
        here, there = (self.gateway.ip, 5060), (self.gateway.ip, 5062)
        ways = [(f, t, p.split(b" ")[0]) for f, t, p in found if not p.startswith(b"SIP/2.0")]
        self.assertIn(((alice.ip, alice.port), here, b"INVITE"), ways)
        self.assertIn((there, (trunk.ip, 5080), b"INVITE"), ways)
        self.assertIn((there, (trunk.ip, 5080), b"BYE"), ways)
        invite = next(p for f, t, p in found if t == (trunk.ip, 5080))
        self.assertEqual(invite, self.invite_received.raw)

    def test_bounds(self):
        """The ring goes round; a message of the greatest size is whole in a ring of the usual one,
        and cut in a small one; without a ring nothing is kept, and a reload changes it."""
        g = self.start(extra="trace { ring = 64KB }")
        alice = self.phone("alice")
        big = "x" * 30000
        for n in range(40):
            raw = alice.make("OPTIONS", "sip:example.net", call_id=f"many-{n}")
            alice.send_raw(raw)
            alice.final("OPTIONS")
        kept = self.traced()["messages"]
        self.assertLess(sum(m["size"] for m in kept), 65536)
        self.assertIn("many-39", {m["call-id"] for m in kept})
        raw = alice.make("OPTIONS", "sip:example.net", call_id="big", headers=[f"X-Big: {big}"])
        alice.send_raw(raw)
        alice.final("OPTIONS")
        (cut,) = [m for m in self.traced("--call", "big")["messages"] if m["direction"] == "in"]
        self.assertEqual(cut["size"], len(raw))
        self.assertLess(len(cut["text"]), 17000)

        usual = g.config.read_text()
        g.config.write_text(usual.replace("64KB", "4MB"))
        self.assertTrue(g.ctl("reload")["ok"])
        alice.received.clear()
        raw = alice.make("OPTIONS", "sip:example.net", call_id="whole", headers=[f"X-Big: {big}"])
        alice.send_raw(raw)
        alice.final("OPTIONS")
        (whole,) = [m for m in self.traced("--call", "whole")["messages"] if m["direction"] == "in"]
        self.assertEqual(whole["text"].encode("latin-1"), raw)

        g.config.write_text(usual.replace("64KB", "0B"))
        self.assertTrue(g.ctl("reload")["ok"])
        alice.received.clear()
        alice.send_raw(alice.make("OPTIONS", "sip:example.net", call_id="none"))
        alice.final("OPTIONS")
        self.assertEqual(self.traced()["messages"], [])

    def test_what_cannot_be_asked(self):
        self.start()
        for words in (
            ("--call", "a", "--user", "b"),
            ("--live", "--svg", "x"),
            ("--live", "--for", "soon"),
            ("--for", "1s"),
            ("--limit", "many"),
        ):
            answer = self.gateway.ctl("trace", *words, check=False)
            self.assertFalse(answer["ok"], words)
        for words in (("--source", "nowhere"), ("--live", "--source", "192.0.2.1/40")):
            answer = self.gateway.ctl("trace", *words, check=False)
            self.assertIn("--source is an address or a network", answer["error"])


if __name__ == "__main__":
    unittest.main()
