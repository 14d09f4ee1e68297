"""The records of calls: in a file, in its rotations, at a socket, and one for each call, whatever
its end."""
import json, os, signal, socket, subprocess, unittest

from gateway import BIN, WAIT, wait_for
from legs import NUMBER, SDP, Dialog, cancel, failure_ack
from records import IN_FILE, RecordCase


class Records(RecordCase):
    def one_call(self, alice, trunk):
        self.hang_up(*self.establish(alice, trunk, f"{NUMBER}@example.net"))

    def test_every_kind_of_end_has_its_record(self):
        g = self.start(extra=IN_FILE, sip=2)
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        line = next(
            n for n, t in enumerate(g.config.read_text().splitlines(), 1) if 'route "out"' in t
        )

        request = self.call(alice, f"{NUMBER}@example.net", headers=("User-Agent: Phone",))
        a, b = self.answered(alice, trunk, request)
        self.hang_up(a, b)
        (r,) = self.wait_records(1)
        said = {
            "call-id": request.get("Call-ID"),
            "callee-call-id": self.invite_received.get("Call-ID"),
            "from": "sip:alice@example.net",
            "request-uri": f"sip:{NUMBER}@example.net",
            "user": "alice",
            "domain": "example.net",
            "caller": f"{alice.ip}:{alice.port}",
            "transport": "UDP",
            "zone": "access",
            "route": "out",
            "route-line": line,
            "callee": f"{trunk.ip}:5080",
            "callee-zone": "core",
            "trunk": "pbx",
            "user-agent": "Phone",
            "status": 200,
            "status-received": 200,
            "ended-by": "caller",
            "why": "bye",
        }
        self.assertEqual({k: r[k] for k in said}, said)
        self.assertEqual([t["outcome"] for t in r["targets"]], ["answered"])
        self.assertGreaterEqual(r["total-ms"], r["answer-ms"] + r["duration-ms"] - 1)

        a, b = self.establish(alice, bob, "bob@example.net")
        b.send("BYE")
        alice.answer(alice.request("BYE"), 200, contact=False)
        bob.response(200, "BYE")

        request = self.call(alice, "bob@example.net")
        bob.answer(bob.request("INVITE"), 486, "Busy Here", contact=False)
        bob.request("ACK")
        failure_ack(alice, request, alice.response(486))

        request = self.call(alice, "bob@example.net")
        bob.answer(bob.request("INVITE"), 180)
        alice.response(180)
        cancel(alice, request)
        bob.answer(bob.request("CANCEL"), 200, contact=False)
        failure_ack(alice, request, alice.response(487))

        for to, status in (("carol@example.net", 480), ("nobody@example.net", 403)):
            request = self.call(alice, to)
            failure_ack(alice, request, alice.response(status))
        request = self.call(trunk, "nobody@example.net")
        failure_ack(trunk, request, trunk.response(404))

        records = self.wait_records(7)
        self.assertEqual(
            sorted((r["status"], r["ended-by"], r["why"]) for r in records),
            [
                (200, "callee", "bye"),
                (200, "caller", "bye"),
                (403, "gateway", "refused"),
                (404, "gateway", "refused"),
                (480, "gateway", "refused"),
                (486, "callee", "refused"),
                (487, "caller", "cancelled"),
            ],
        )
        self.sums_agree(records)

    def answered(self, caller, callee, request):
        invite = callee.request("INVITE")
        tag = callee.answer(invite, 200, body=SDP)
        a = Dialog.of_answer(caller, request, caller.response(200, "INVITE"))
        a.ack()
        callee.request("ACK")
        self.invite_received = invite
        return a, Dialog.of_request(callee, invite, tag)

    def test_not_owner_has_a_record_and_strangers_have_none(self):
        g = self.start(extra=IN_FILE)
        alice = self.phone("alice")
        request = self.call(alice, f"{NUMBER}@example.net", sender="bob@example.net")
        failure_ack(alice, request, alice.response(403))
        (r,) = self.wait_records(1)
        self.assertEqual((r["status"], r["user"], r["route"]), (403, "alice", ""))
        self.assertEqual(r["from"], "sip:bob@example.net")
        self.sums_agree(self.records())

    def test_a_rotation_is_followed(self):
        g = self.start(extra=IN_FILE, sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        file = g.dir / "cdr.json"
        self.one_call(alice, trunk)
        self.wait_records(1)
        self.assertEqual(file.stat().st_mode & 0o777, 0o640)
        file.rename(g.dir / "cdr.json.1")
        self.one_call(alice, trunk)
        self.wait_records(2, "cdr.json.1")
        self.assertEqual(g.ctl("reopen")["object"]["result"], "reopened")
        self.one_call(alice, trunk)
        self.wait_records(1)
        file.rename(g.dir / "cdr.json.2")
        g.process.send_signal(signal.SIGUSR1)
        wait_for(file.exists, "the file anew")
        self.one_call(alice, trunk)
        self.wait_records(1)
        # what cannot be opened leaves what is open
        file.rename(g.dir / "cdr.json.3")
        file.mkdir()
        refused = g.ctl("reopen", check=False)
        self.assertIn("Is a directory", refused["error"])
        self.one_call(alice, trunk)
        self.wait_records(2, "cdr.json.3")

    def test_a_worker_that_comes_anew_goes_on(self):
        self.kills = True
        g = self.start(extra=IN_FILE)
        (worker,) = g.workers("sip")
        os.kill(worker["pid"], signal.SIGKILL)
        g.successor(worker)
        alice, trunk = self.phone("alice"), self.trunk()
        self.one_call(alice, trunk)
        self.wait_records(1)

    def test_a_stop_writes_of_the_calls_that_stand(self):
        g = self.start(extra=IN_FILE)
        alice, trunk = self.phone("alice"), self.trunk()
        self.establish(alice, trunk, f"{NUMBER}@example.net")
        g.stop()
        (r,) = self.wait_records(1)
        self.assertEqual((r["status"], r["ended-by"], r["why"]), (200, "gateway", "ended"))
        self.assertIn("Gateway stopping", r["reason"])

    def test_a_reload_begins_and_ends_it(self):
        g = self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        text = g.config.read_text()
        self.one_call(alice, trunk)
        g.config.write_text(text + IN_FILE)
        g.ctl("reload")
        self.one_call(alice, trunk)
        self.wait_records(1)
        g.config.write_text(text + 'cdr { file = "none/cdr.json" }')
        self.assertIn("No such file", str(g.ctl("reload", check=False)))
        self.one_call(alice, trunk)
        self.wait_records(2)
        g.config.write_text(text)
        g.ctl("reload")
        self.one_call(alice, trunk)
        self.no_calls()
        self.assertEqual(len(self.records()), 2)

    def receiver(self, path):
        path.unlink(missing_ok=True)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(str(path))
        s.settimeout(WAIT)
        self.addCleanup(s.close)
        return s

    def test_a_socket_is_found_and_found_again(self):
        g = self.start(extra='cdr { socket = "cdr.sock" }', start=False)
        path = g.dir / "cdr.sock"
        g.start()  # nobody receives yet
        alice, trunk = self.phone("alice"), self.trunk()
        self.one_call(alice, trunk)
        first = self.receiver(path)
        self.assertEqual(json.loads(first.recv(65536))["why"], "bye")
        self.one_call(alice, trunk)
        self.assertEqual(json.loads(first.recv(65536))["status"], 200)
        first.close()
        second = self.receiver(path)
        self.one_call(alice, trunk)
        self.assertEqual(json.loads(second.recv(65536))["status"], 200)
        self.assertEqual(g.counters()["cdr_written"], 3)

    def test_what_cannot_be_is_said_before_the_start(self):
        g = self.start(start=False)
        text = g.config.read_text()
        (g.dir / "folder").mkdir()
        for section, error in (
            ('cdr { file = "a"  socket = "b" }', "not to both"),
            ('cdr { file = "none/cdr.json" }', "No such file or directory"),
            ('cdr { file = "folder" }', "no regular file"),
            ('cdr { file = "/dev/full" }', "no regular file"),
            ('cdr { socket = "%s" }' % ("x" * 108), "at most 107 bytes"),
        ):
            g.config.write_text(text + section)
            done = subprocess.run(
                [BIN / "sipward", "-n", "-c", g.config], capture_output=True, text=True
            )
            self.assertEqual(done.returncode, 1, section)
            self.assertIn(error, done.stderr)


if __name__ == "__main__":
    unittest.main()
