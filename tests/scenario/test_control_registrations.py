"""sipwardctl registrations: which bindings it lists and removes, and what a removed user leaves."""
import os, unittest

from gateway import wait_for
from legs import NUMBER, failure_ack
from records import IN_FILE, RecordCase

REASON = 'SIP;cause=403;text="User removed"'


class Registrations(RecordCase):
    def listed(self, *words):
        return sorted(r["aor"] for r in self.gateway.ctl("registrations", *words))

    def test_which_are_listed(self):
        g = self.start(sip=2)
        alice, bob = self.phone("alice"), self.phone("bob", "TCP")
        desk = self.phone("carol", register=False)
        desk.register(headers=["User-Agent: Desk Phone/4.2"])
        for words, names in (
            ((), ("alice", "bob", "carol")),
            (("--user", "alice"), ("alice",)),
            (("--user", "sip:alice@example.net"), ("alice",)),
            (("--user", "alice@example.com"), ()),
            (("--user", "alic"), ()),
            (("--domain", "Example.net"), ("alice", "bob", "carol")),
            (("--domain", "example.org"), ()),
            (("--source", f"{alice.ip}:{alice.port}"), ("alice",)),
            (("--source", bob.ip), ("bob",)),
            (("--agent", "desk phone"), ("carol",)),
            (("--agent", "desk", "--user", "bob"), ()),
            (("carol@example.net", "--agent", "4.2"), ("carol",)),
        ):
            with self.subTest(words):
                self.assertEqual(self.listed(*words), [f"sip:{n}@example.net" for n in names])
                count = g.ctl("registrations", *words, "--count")["object"]
                self.assertEqual(count, {"registrations": len(names)})
        (row,) = g.ctl("registrations", "carol@example.net")
        self.assertEqual(row["user-agent"], "Desk Phone/4.2")
        done = self.gateway.run_ctl("registrations", "--limit", 2)
        self.assertEqual(len(done.stdout.splitlines()), 3)
        self.assertEqual(done.stderr, "sipwardctl: 2 of 3; --limit 0 shows all\n")

    def test_removal(self):
        g = self.start(sip=2)
        alice, bob = self.phone("alice"), self.phone("bob")
        (row,) = g.ctl("registrations", "alice@example.net")
        done = self.gateway.run_ctl("registrations", "remove", "alice@example.net", "sip:other@x")
        self.assertEqual((done.returncode, "no such binding" in done.stderr), (1, True))
        self.assertEqual(len(self.listed()), 2)
        contact = row["contact"].removeprefix("sip:")
        g.ctl("registrations", "remove", "alice@example.net", contact)
        self.assertEqual(self.listed(), ["sip:bob@example.net"])
        request = self.call(bob, "alice@example.net")
        failure_ack(bob, request, bob.response(480))
        alice.register()
        self.assertEqual(len(self.listed()), 2)
        g.ctl("registrations", "remove", "sip:bob@example.net")
        self.assertEqual(self.listed(), ["sip:alice@example.net"])
        self.assertEqual(g.counters()["bindings_removed"], 2)
        self.assertEqual(
            self.gateway.run_ctl("registrations", "remove", "bob@example.net").returncode, 1
        )

    def ended(self, *dialogs):
        for dialog in dialogs:
            bye = dialog.peer.request("BYE")
            self.assertEqual(bye.get("Reason"), REASON)
            dialog.peer.answer(bye, 200, contact=False)

    def test_a_removed_user(self):
        """His calls end, those from him and those to his phone, and no other; so do his
        bindings."""
        g = self.start(extra=IN_FILE, sip=2)
        alice, bob, carol = self.phone("alice"), self.phone("bob"), self.phone("carol")
        trunk = self.trunk()
        out = self.establish(alice, trunk, f"{NUMBER}@example.net")
        inside = self.establish(bob, alice, "alice@example.net")
        other = self.establish(carol, trunk, f"{NUMBER}@example.net")
        g.ctl("user", "remove", "sip:alice@example.net")
        self.ended(*out)
        self.ended(*inside)
        wait_for(
            lambda: self.listed() == ["sip:bob@example.net", "sip:carol@example.net"],
            "her binding gone",
        )
        self.assertEqual(g.ctl("calls", "--count")["object"], {"calls": 1})
        self.hang_up(*other)
        records = self.wait_records(3)
        self.assertEqual(
            [(r["ended-by"], r["reason"]) for r in records[:2]], [("operator", REASON)] * 2
        )
        self.assertEqual(g.counters()["bindings_user_removed"], 1)

    def test_a_user_taken_out_of_the_file(self):
        g = self.start(sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        out = self.establish(alice, trunk, f"{NUMBER}@example.net")
        users = g.dir / "users"
        kept = "".join(l for l in users.open() if not l.startswith("alice:"))
        (g.dir / "users.new").write_text(kept)
        os.rename(g.dir / "users.new", users)
        self.ended(*out)
        wait_for(lambda: not self.listed(), "the binding gone")

    def test_a_user_removed_while_it_is_down(self):
        g = self.start()
        self.phone("alice"), self.phone("bob")
        g.stop()
        users = g.dir / "users"
        users.write_text("".join(l for l in users.open() if not l.startswith("alice:")))
        g.start()
        wait_for(lambda: self.listed() == ["sip:bob@example.net"], "her binding gone")


if __name__ == "__main__":
    unittest.main()
