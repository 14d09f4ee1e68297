"""sipwardctl trace --live: messages as they come, in ladders that grow."""
import json, os, re, signal, subprocess, unittest

from gateway import WAIT, wait_for
from legs import NUMBER, CallCase


class Live(CallCase):
    def live(self, *words, to=None):
        """Begins to watch, and returns once it does."""
        path = self.gateway.dir / f"live{len(list(self.gateway.dir.glob('live*')))}"
        env = dict(os.environ, COLUMNS="100", LANG="C.UTF-8")
        asked = lambda: self.gateway.counters()["control_requests"]
        before = asked()
        with path.open("wb") as file:
            command = self.gateway.command_of("trace", "--live", *words)
            watch = subprocess.Popen(command, stdout=to or file, env=env)
        self.addCleanup(self.end, watch)
        wait_for(lambda: asked() > before + 3, "it asks")
        watch.shown = lambda: path.read_text()
        return watch

    def end(self, watch):
        if watch.poll() is None:
            watch.kill()
            watch.wait()

    def options(self, phone, call_id):
        phone.received.clear()
        sender = f"{phone.user}@example.net"
        phone.send_raw(phone.make("OPTIONS", "sip:example.net", sender=sender, call_id=call_id))
        phone.final("OPTIONS")

    def test_a_ladder_that_grows(self):
        self.start(sip=2)
        alice, trunk, bob = self.phone("alice"), self.trunk(), self.phone("bob")
        watches = [
            self.live(*words)
            for words in ((), ("--trunk", "pbx"), ("--user", "alice"), ("--source", alice.ip))
        ]
        rows = self.live("--user", "alice", "--json")
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        for watch in watches:
            # one of them is the challenge's
            wait_for(lambda: watch.shown().count("ACK") == 3, "both legs, before the end")
            self.assertNotIn("BYE", watch.shown())
        self.options(bob, "of-bob")
        wait_for(lambda: "Call-ID of-bob" in watches[0].shown(), "another ladder")
        self.hang_up(a, b)
        self.no_calls()
        for watch in watches:
            wait_for(lambda: "ended by caller" in watch.shown(), "the end")
            self.once_each(watch.shown(), a, alice, trunk)
            self.assertEqual("of-bob" in watch.shown(), watch is watches[0], watch.args)
            watch.send_signal(signal.SIGINT)
            self.assertEqual(watch.wait(WAIT), 0)
        # the first one goes back to its call, with its columns
        heads = re.findall("Call-ID (.*)", watches[0].shown())
        self.assertEqual(heads[-3:], [a.call_id, "of-bob", a.call_id])
        rows.terminate()
        self.assertEqual(rows.wait(WAIT), 0)
        self.as_json(rows.shown(), {a.call_id, b.call_id})

    def once_each(self, text, a, alice, trunk):
        """Both legs and what was decided, in their order, and nothing twice."""
        text = text[text.index(f"Call-ID {a.call_id}") :]
        self.assertTrue(all(len(t) <= 100 for t in text.splitlines()), text)
        self.assertRegex(text, f"{alice.ip}:{alice.port} +sipward +{trunk.ip}:5080")
        wanted = ("INVITE", "route out", "target 1: trunk pbx", "INVITE (SDP)", "200 OK (SDP)")
        wanted += ("200 OK (SDP)", "ACK", "ACK", "BYE", "BYE", "200 OK (BYE)", "ended by")
        at = 0
        for word in wanted:
            at = text.find(word, at) + 1
            self.assertTrue(at, f"{word} in {text}")
        for word in ("target 1", "route out", "ended by caller"):
            self.assertEqual(text.count(word), 1, text)

    def as_json(self, text, legs):
        rows = [json.loads(line) for line in text.splitlines()]
        rows = [r for r in rows if r["call-id"] in legs]
        self.assertEqual({r["call-id"] for r in rows}, legs)
        self.assertEqual(len({r["call"] for r in rows}), 1)
        says = " ".join(r["says"] for r in rows if "says" in r)
        self.assertIn("route out", says)
        first = next(r for r in rows if "text" in r)
        self.assertTrue(first["text"].startswith("INVITE "), first)

    def test_limits_and_ends(self):
        self.start()
        alice = self.phone("alice")
        few, other = self.live("--limit", "3"), self.live("--call", "other")
        done = self.gateway.run_ctl("trace", "--live", "--for", "1s", "--call", "nobody")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        reader, writer = os.pipe()
        nobody = self.live(to=writer)
        os.close(writer)
        os.close(reader)
        self.assertEqual(nobody.wait(WAIT), 0)
        for n in range(3):
            self.options(alice, f"one-{n}")
        self.options(alice, "other")
        self.assertEqual(few.wait(WAIT), 0)
        self.assertEqual(len(re.findall("[▶◀]", few.shown())), 3)
        wait_for(lambda: "200 OK (OPTIONS)" in other.shown(), "one call")
        self.assertNotIn("one-", other.shown())


if __name__ == "__main__":
    unittest.main()
