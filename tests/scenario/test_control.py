"""The control socket and sipwardctl: commands for people and for programs."""
import json, os, pathlib, shutil, socket, subprocess, tempfile, unittest

from gateway import BIN, WAIT, wait_for
from legs import NUMBER, failure_ack
from control import ControlCase

READING = (
    "status",
    "workers",
    "calls",
    "flows",
    "registrations",
    "domains",
    "user list",
    "counters",
    "counters all",
    "metrics",
    "help",
)


class Commands(ControlCase):
    def test_each_as_table_and_json(self):
        g = self.start(transport=2, sip=2, tls=1)
        alice, trunk = self.phone("alice"), self.trunk()
        self.phone("bob", "TCP")
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        for name in READING:
            with self.subTest(name):
                words = name.split()
                done = self.run_ctl(*words, json_too=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                reply = json.loads(done.stdout)
                self.assertIs(reply["ok"], True)
                table = self.table(*words)
                if name == "help":
                    self.assertEqual(table, self.table("-h"), "it is wrapped, as texts are")
                elif "rows" in reply:
                    self.assertTrue(reply["rows"], name)
                    self.assertEqual(
                        len(table), len(reply["rows"]) + 1, "a line each, and the head"
                    )
                    self.assertEqual(table[0].split(), list(reply["rows"][0]))
                elif "object" in reply:
                    self.assertEqual(
                        [line.split()[0] for line in table if line[0] != " "], list(reply["object"])
                    )
                else:
                    self.assertIn("sipward_rx_messages", reply["text"])
        self.hang_up(a, b)

    def test_what_they_say(self):
        g = self.start(transport=2, sip=2, tls=1)
        status = g.ctl("status")["object"]
        self.assertEqual(
            (
                status["state"],
                status["workers"],
                status["workers_ready"],
                status["pid"],
                status["worker_deaths"],
            ),
            ("running", 5, 5, g.process.pid, 0),
        )
        self.assertIn(f"udp:{g.ip}:5060", status["listeners"])
        self.assertEqual(
            [r["worker"] for r in g.ctl("workers")],
            ["transport-0", "transport-1", "sip-0", "sip-1", "tls-0"],
        )
        self.assertEqual(sum(r["slots"] for r in g.ctl("workers")), 256)
        self.assertEqual(
            g.ctl("domains"),
            [
                {
                    "domain": "example.net",
                    "realm": "example.net",
                    "algorithms": ["MD5", "SHA-256"],
                    "users": str(g.dir / "users"),
                }
            ],
        )
        self.assertEqual((g.ctl("calls"), g.ctl("registrations")), ([], []))
        self.assertEqual(self.table("calls"), ["none"])
        self.assertEqual(
            {(r["user"], r["algorithm"]) for r in g.ctl("user", "list")},
            {(u, a) for u in ("alice", "bob", "carol") for a in ("MD5", "SHA-256")},
        )
        self.assertEqual(len(g.ctl("user", "list", "example.net")), 6)
        alice, bob, trunk = self.phone("alice"), self.phone("bob", "TCP"), self.trunk()
        (row,) = g.ctl("registrations", "alice@example.net")
        self.assertEqual(
            (row["aor"], row["source"], row["transport"]),
            ("sip:alice@example.net", f"{alice.ip}:{alice.port}", "UDP"),
        )
        self.assertEqual(g.ctl("registrations", "sip:alice@example.net"), [row])
        self.assertEqual(
            {(r["aor"], r["transport"]) for r in g.ctl("registrations")},
            {("sip:alice@example.net", "UDP"), ("sip:bob@example.net", "TCP")},
        )
        self.assertEqual(g.ctl("registrations", "carol@example.net"), [])
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        (row,) = g.ctl("calls")
        self.assertTrue(
            any("alice" in str(v) for v in row.values())
            and any(NUMBER in str(v) for v in row.values()),
            row,
        )
        self.hang_up(a, b)
        self.no_calls()
        # a counter that moved is there, one that did not only with "all"
        self.assertEqual(g.counters()["calls"], 1)
        self.assertNotIn("bad_offset", g.counters())
        self.assertGreater(len(g.ctl("counters", "all")), len(g.ctl("counters")) + 20)
        text = g.ctl("metrics")["text"]
        for line in text.splitlines():
            self.assertRegex(
                line,
                r'^(# (HELP|TYPE) sipward_\w+ .*|sipward_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? '
                r"\d+(\.\d+)?)$",
            )
        self.assertRegex(text, r"(?m)^sipward_calls\w*\{[^}]*\} 1$")

    def test_status_counts(self):
        """Calls, bindings, users and trunks by what they are now."""
        g = self.start(sip=2)
        alice, trunk = self.phone("alice"), self.trunk()
        self.phone("bob", "TCP")
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")

        def said():
            o = g.ctl("status")["object"]
            names = ("calls_active", "bindings", "users", "trunks_up", "trunks_down")
            return {n: o[n] for n in names}

        expected = {
            "calls_active": 1,
            "bindings": 2,
            "users": 3,
            "trunks_up": 1,
            "trunks_down": 0,
        }
        wait_for(lambda: said() == expected, "the counts")
        self.hang_up(a, b)
        g.ctl("user", "remove", "carol@example.net")
        expected |= {"calls_active": 0, "users": 2}
        wait_for(lambda: said() == expected, "the counts after that")

    def test_log_level(self):
        """It changes in the master and in the workers that live, and a reload takes it back."""
        g = self.start()
        alice, bob = self.phone("alice"), self.phone("bob")

        def decided():
            request = self.call(alice, "bob@example.net")
            bob.answer(bob.request("INVITE"), 486, "Busy Here", contact=False)
            bob.request("ACK")
            failure_ack(alice, request, alice.response(486))
            return len([line for line in g.log_text().splitlines() if " debug sip/" in line])

        level = lambda *words: g.ctl("log", "level", *words)["object"]["level"]
        self.assertEqual((level(), decided()), ("info", 0))
        self.assertEqual((level("debug"), level()), ("debug", "debug"))
        wait_for(decided, "lines of the level debug")
        g.ctl("reload")
        self.assertEqual(level(), "info")
        before = decided()
        self.assertEqual(decided(), before)
        done = self.run_ctl("log", "level", "loud")
        self.assertEqual(done.returncode, 1)
        self.assertIn('not "loud"', done.stderr)

    def test_log_as_json(self):
        """Lines of the master and of workers; a reload changes it."""
        g = self.start()
        config = g.config.read_text()
        g.config.write_text('log-format = "json"\n' + config)
        g.ctl("reload")
        before = len(g.log_text().splitlines())
        alice, bob = self.phone("alice"), self.phone("bob")
        self.hang_up(*self.establish(alice, bob, "bob@example.net"))
        self.no_calls()
        g.ctl("user", "remove", "carol@example.net")
        wait_for(lambda: '"command":"user remove"' in g.log_text(), "the master's line")
        wait_for(lambda: '"event":"call-ended"' in g.log_text(), "the worker's line")
        lines = [json.loads(line) for line in g.log_text().splitlines()[before:]]
        (ended,) = [line for line in lines if line["event"] == "call-ended"]
        self.assertEqual(
            (ended["level"], ended["process"], ended["by"], ended["from"]),
            ("info", "sip/0", "caller", "sip:alice@example.net"),
        )
        g.config.write_text(config)
        g.ctl("reload")

    def test_flows(self):
        """Each open connection, whichever worker has it; what UDP brings is none."""
        g = self.start(transport=2)
        self.assertEqual(g.ctl("flows"), [])
        phones = [self.phone("alice", "TCP"), self.phone("bob", "TCP"), self.phone("carol")]
        rows = {r["peer"]: r for r in g.ctl("flows")}
        self.assertEqual(set(rows), {f"{p.ip}:{p.port}" for p in phones[:2]})
        for phone in phones[:2]:
            row = rows[f"{phone.ip}:{phone.port}"]
            self.assertEqual(
                {k: v for k, v in row.items() if k not in ("flow", "worker", "age_ms", "idle_ms")},
                {
                    "transport": "TCP",
                    "listener": "tcp",
                    "zone": "access",
                    "peer": f"{phone.ip}:{phone.port}",
                    "local": f"{g.ip}:5060",
                    "direction": "in",
                    "state": "open",
                    "messages_in": 2,
                    "messages_out": 2,
                    "queued": 0,
                },
            )
            self.assertIn(row["worker"], (0, 1))
            self.assertLessEqual(row["idle_ms"], row["age_ms"])
            # the address of record that it carries is that of the registration from this source
            (binding,) = [r for r in g.ctl("registrations") if r["source"] == row["peer"]]
            self.assertEqual(binding["aor"], f"sip:{phone.user}@example.net")
        self.assertEqual(len({r["flow"] for r in rows.values()}), 2)
        phones[0].close()
        wait_for(lambda: len(g.ctl("flows")) == 1, "the closed connection gone")

    def test_exit_codes(self):
        g = self.start()
        self.assertEqual(self.run_ctl("status").returncode, 0)
        done = self.run_ctl("user", "remove", "nobody@example.net")
        self.assertEqual(
            (done.returncode, done.stdout), (1, "") if done.stderr else (1, done.stdout)
        )
        self.assertIn("no such user", done.stdout + done.stderr)
        for words in (
            ("nonsense",),
            ("workers", "more"),
            ("user", "remove"),
            ("user",),
            (),
            ("--no-such-option", "status"),
            ("user", "add", "nobody", "--password-stdin"),
        ):
            with self.subTest(words):
                done = self.run_ctl(*words, stdin="x\n")
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertTrue(done.stderr)
        self.assertIn('did you mean "workers"?', self.run_ctl("workrs").stderr)
        self.assertIn('did you mean "cert"?', self.run_ctl("crt", "list").stderr)
        said = self.run_ctl("cert", "foo").stderr
        self.assertIn('unknown command "cert foo"; cert is followed by one of list, stage', said)
        self.assertIn('did you mean "cert list"?', self.run_ctl("cert", "lst").stderr)
        self.assertIn("followed by one of list", self.run_ctl("cert").stderr)
        done = self.run_ctl("status", socket_path="/nonexistent/control.sock")
        self.assertEqual(done.returncode, 3)
        self.assertIn("is sipward running?", done.stderr)
        for option in ("-h", "-V", "help"):
            done = self.run_ctl(option)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)
        g.stop()
        self.assertEqual(self.run_ctl("status").returncode, 3)

    def test_own_errors_as_json(self):
        """With --json there is one object on standard output, whatever is wrong, and nothing
        else."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="sipward-ctl-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "users").write_text("alice:example.net:MD4:00\n")
        for words, code, says in (
            (("--json",), 2, "no command is named"),
            (("--json", "nonsense"), 2, "unknown command"),
            (("cert", "foo", "--json"), 2, 'unknown command "cert foo"'),
            (("--json", "cert"), 2, "followed by one of"),
            (("--json", "workers", "more"), 2, "usage: sipwardctl workers"),
            (("--no-such-option", "--json", "status"), 2, "--no-such-option"),
            (("--json", "user", "add", "nobody", "--password-stdin"), 2, "NAME@DOMAIN"),
            (("-s", "/nonexistent/control.sock", "--json", "status"), 3, "is sipward running?"),
            (("--json", "-f", folder / "none", "user", "list"), 1, "no such user or file"),
            (("--json", "-f", folder / "users", "user", "list"), 1, "cannot be used"),
            (("--json", "-f", folder / "users", "calls"), 2, "-f is for user add"),
        ):
            with self.subTest(words):
                done = subprocess.run(
                    [BIN / "sipwardctl", *map(str, words)],
                    input="x\n",
                    capture_output=True,
                    text=True,
                    timeout=WAIT,
                )
                self.assertEqual((done.returncode, done.stderr), (code, ""), done.stdout)
                answer = json.loads(done.stdout)
                self.assertIs(answer["ok"], False)
                self.assertIn(says, answer["error"])

    def test_refusals_as_json(self):
        self.start()
        done = self.run_ctl("user", "remove", "nobody@example.net", json_too=True)
        self.assertEqual(done.returncode, 1)
        reply = json.loads(done.stdout)
        self.assertIs(reply["ok"], False)
        self.assertIn("no such user", reply["error"])
        done = self.run_ctl("counters", "some", json_too=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn('expected all, found "some"', json.loads(done.stdout)["error"])

    def test_raw_requests(self):
        """One JSON object a line; what is no such thing is refused and hurts nobody."""
        g = self.start()
        for line in (
            b"status\n",
            b"{}\n",
            b"[]\n",
            b'{"command": 5}\n',
            b'{"command": "status", "arguments": []}\n',
            b'{"command": "status", "command": "workers"}\n',
            b'{"command": "nonsense"}\n',
            b'{"command": "user add", "arguments": {"name@domain": "x@example.net", "ha1": '
            b'[{"algorithm": "MD5", "ha1": "short"}]}}\n',
            b"\x00\xff\n",
            b"[" * 5000 + b"\n",
        ):
            with self.subTest(line[:40]):
                with socket.socket(socket.AF_UNIX) as s:
                    s.settimeout(WAIT)
                    s.connect(str(g.dir / "run/control.sock"))
                    s.sendall(line)
                    answer = json.loads(s.makefile().readline())
                    self.assertIs(answer["ok"], False)
                    self.assertTrue(answer["error"])
        with socket.socket(socket.AF_UNIX) as s:  # too long for a request
            s.settimeout(WAIT)
            s.connect(str(g.dir / "run/control.sock"))
            try:
                for _ in range(64):
                    s.sendall(b"x" * 65536)
                s.recv(65536)
                self.assertEqual(s.recv(1), b"")
            except (BrokenPipeError, ConnectionResetError):
                pass
        self.assertEqual(g.ctl("status")["object"]["worker_deaths"], 0)
        self.assertGreaterEqual(g.counters()["control_bad"], 5)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_others_are_kept_out(self):
        g = self.start()
        self.assertEqual(oct((g.dir / "run/control.sock").stat().st_mode & 0o7777), "0o660")

        def ask():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        program = shutil.copy(BIN / "sipwardctl", g.dir)  # where the build is he may not look
        done = subprocess.run(
            [program, "-s", g.dir / "run/control.sock", "status"],
            capture_output=True,
            text=True,
            timeout=WAIT,
            preexec_fn=ask,
        )
        self.assertEqual(done.returncode, 3, done.stdout)


if __name__ == "__main__":
    unittest.main()
