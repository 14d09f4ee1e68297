"""sipwardctl explain: what would become of a message, told by the live gateway, which does nothing
of it."""
import json, unittest

from legs import NUMBER, CallCase

INVITE = """INVITE sip:{to} SIP/2.0
Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKexplained
Max-Forwards: 70
From: <sip:{user}@example.net>;tag=a
To: <sip:{to}>
Call-ID: explained
CSeq: 1 INVITE
Contact: <sip:{user}@192.0.2.7>
P-Asserted-Identity: <sip:someone@example.net>
User-Agent: phone
Content-Length: 0

"""


class Explain(CallCase):
    def explain(self, text, *words):
        """The rows: part, name and what is said."""
        answer = self.gateway.run_ctl("--json", "explain", *words, input=text)
        return self.rows_of(answer)

    def rows_of(self, done):
        self.assertEqual(done.returncode, 0, done.stdout)
        rows = json.loads(done.stdout)["rows"]
        return [(r["part"], r.get("name", ""), r["says"]) for r in rows]

    def says(self, rows, part, name=""):
        return " / ".join(s for p, n, s in rows if p == part and (not name or n == name))

    def test_explained_and_not_done(self):
        self.start(sip=2)
        trunk = self.trunk()
        before = self.gateway.counters()
        rows = self.explain(INVITE.format(to=f"{NUMBER}@example.net", user="alice"))
        self.assertIn("192.0.2.1:5060 over UDP", self.says(rows, "source"))
        self.assertIn("auth = digest", self.says(rows, "zone", "access"))
        self.assertIn("challenged first: 407", self.says(rows, "sender", "alice"))
        self.assertIn("matches", self.says(rows, "route", "out"))
        self.assertIn(f"{trunk.ip}:5080", self.says(rows, "target", "pbx"))
        self.assertIn(", up", self.says(rows, "target", "pbx"))
        self.assertIn("not trusted to say it", self.says(rows, "header", "P-Asserted-Identity"))
        self.assertIn("written anew", self.says(rows, "header", "Via"))
        sends = self.says(rows, "sends")
        self.assertIn(f"INVITE sip:{NUMBER}@", sends)
        self.assertNotIn("192.0.2.7", sends)
        self.assertIn("targets", self.says(rows, "answer"))
        # who is refused hears it
        rows = self.explain(INVITE.format(to="nobody@example.net", user="alice"))
        self.assertIn("no user", self.says(rows, "route"))
        self.assertTrue(self.says(rows, "answer").startswith("403"), rows)
        rows = self.explain(INVITE.format(to="bob@example.net", user="mallory"))
        self.assertIn("is no user of domain example.net", self.says(rows, "sender"))
        rows = self.explain("INVITE\n\n")
        self.assertIn("cannot be read", self.says(rows, "parse"))
        rows = self.explain(INVITE.format(to="bob@example.net", user="alice"), "--to", "core")
        self.assertIn("dropped", self.says(rows, "zone", "core"))
        register = INVITE.format(to="alice@example.net", user="alice").replace("INVITE", "REGISTER")
        rows = self.explain(register, "--transport", "tcp", "--from", "198.51.100.9")
        self.assertIn("1 bindings change", self.says(rows, "registrar"))
        for words, error in (
            (("--to", "nowhere"), "no such listener"),
            (("--transport", "sctp"), "the transport is"),
            (("--from", "host.example"), "numeric address"),
        ):
            done = self.gateway.run_ctl("explain", *words, input=register)
            self.assertEqual(done.returncode, 1)
            self.assertIn(error, done.stderr)
        # nothing has come of any of it
        self.assertEqual(self.gateway.ctl("registrations"), [])
        self.no_calls()
        trunk.silence()
        after = self.gateway.counters()
        moved = {c for c in after if after[c] != before.get(c, 0)}
        # edges of the mesh may still come up
        own = ("control", "loop", "mesh_edges")
        self.assertFalse({c for c in moved if not any(w in c for w in own)}, moved)

    def test_lines_of_the_config(self):
        """Each thing that is decided by has its line, in the file where it stands."""
        g = self.start(extra='include "more.conf"', start=False, access="max-calls = 9")
        (g.dir / "more.conf").write_text(
            "\n"
            'numbers "local" {\n    from = { "access" }\n    permit = "^.49"\n'
            "    calls-per-hour-per-user = 9\n}\n"
        )
        g.start()
        done = g.run_ctl(
            "--json", "explain", input=INVITE.format(to=f"{NUMBER}@example.net", user="alice")
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        rows = json.loads(done.stdout)["rows"]
        config = g.config.read_text().splitlines()

        def line_of(*words):
            return 1 + next(i for i, t in enumerate(config) if all(w in t for w in words))

        found = {(r["part"], r.get("name")): (r.get("line"), r.get("file")) for r in rows}
        self.assertEqual(found["source", "udp"], (line_of('listener "udp"'), None))
        self.assertEqual(found["zone", "access"], (line_of('zone "access"'), None))
        self.assertEqual(found["route", "out"], (line_of('route "out"'), None))
        self.assertEqual(found["target", "pbx"], (line_of("target =", ":5080"), None))
        self.assertEqual(found["limit", "zone"], (line_of('zone "access"'), None))
        self.assertEqual(found["number-list", "local"], (2, str(g.dir / "more.conf")))
        self.assertEqual(found["limit", "numbers"], (2, str(g.dir / "more.conf")))
        self.assertNotIn("target", {k for r in rows for k in r})

    def test_keep_alives(self):
        """Line ends and STUN (RFC 5626 section 4.4) are no messages that cannot be read."""
        self.start()
        stun = bytes.fromhex("000100002112a442") + b"\n23456789012"
        path = self.gateway.dir / "keep-alive"
        for sent, transport, answer in (
            (b"\r\n\r\n", "udp", "none: they hold the NAT open"),
            (b"\r\n\r\n", "tcp", "CRLF, 1 of them"),
            (b"\r\n\r\n\r\n\r\n", "tcp", "CRLF, 2 of them"),
            (b"\r\n", "tcp", "none: it is no ping"),
            (stun, "udp", "a Binding success"),
            (stun[:2] + b"\0\x04" + stun[4:] + b"\0\x7f\0\0", "udp", "a Binding error"),
            (stun + b"xxxx", "udp", "none: it is no sound Binding request"),
        ):
            with self.subTest(sent=sent, transport=transport):
                path.write_bytes(sent)
                words = ("--json", "explain", path, "--transport", transport)
                rows = self.rows_of(self.gateway.run_ctl(*words))
                self.assertTrue(self.says(rows, "answer").startswith(answer), rows)
                self.assertIn("keep-alive", [part for part, _, _ in rows])
                self.assertNotIn("parse", [part for part, _, _ in rows])

    def test_for_people(self):
        self.start()
        path = self.gateway.dir / "invite.sip"
        path.write_text(INVITE.format(to=f"{NUMBER}@example.net", user="alice"))
        done = self.gateway.run_ctl("explain", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^(route)? +out \(line \d+\): matches$")
        done = self.gateway.run_ctl("explain", f"{path}x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr)


if __name__ == "__main__":
    unittest.main()
