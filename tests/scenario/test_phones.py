"""Real phones: two baresips call each other through the gateway, one by UDP and one by TCP; sipsak
asks and registers. Runs the demo's own phone script."""
import os, pathlib, re, shutil, signal, socket, subprocess, tempfile, unittest

from gateway import WAIT, Gateway, wait_for
from processes import exists

DEMO_PHONE = pathlib.Path(__file__).resolve().parents[2] / "deploy/demo-phone"
# a phone prints this when it hangs up itself, and when the other does
ENDED = (
    r"sip:{0}@[^\s:]+: session closed|with sip:{0}@\S+ terminated|terminate call '\S+' with "
    r"sip:{0}@"
)


def free_port():
    """A port of 127.0.0.1 that is free for UDP and TCP, and the next one too, which baresip takes
    for TLS."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            for p in (port, port + 1):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as s:
                        s.bind(("127.0.0.1", p))
            return port
        except (OSError, OverflowError):
            continue


class Baresip:
    """deploy/demo-phone as a test drives it: keys in, text out."""

    def __init__(self, case, gateway, user, transport, *words):
        self.user, self.dir = user, pathlib.Path(tempfile.mkdtemp(prefix="sipward-phone-"))
        self.out = self.dir / "out"
        env = dict(
            os.environ,
            SIPWARD_PROXY=f"{gateway.ip}:{5061 if transport == 'tls' else 5060}",
            SIPWARD_PASSWORD=f"{user}-secret",
            SIPWARD_PHONE_PORT=str(free_port()),
            TMPDIR=str(self.dir),
        )
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [DEMO_PHONE, user, transport, "-t", "60", *words],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=env,
                start_new_session=True,
            )
        case.addCleanup(self.close)

    def text(self):
        return re.sub(
            r"\[\d:\d\d:\d\d\] audio=\S+ \(bit/s\)\s*", "", self.out.read_text(errors="replace")
        )

    def says(self, pattern, seconds=WAIT):
        """Waits until the phone has printed something."""

        def said():
            if self.process.poll() is not None and not re.search(pattern, self.text()):
                raise AssertionError(
                    f"{self.user}'s phone ended with {self.process.returncode}:\n{self.text()}"
                )
            return re.search(pattern, self.text())

        try:
            return wait_for(said, f"{self.user}'s phone to say {pattern}", seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.text()}") from None

    def key(self, keys):
        self.process.stdin.write(keys.encode())
        self.process.stdin.flush()

    def quit(self):
        self.key("q")
        if self.process.wait(WAIT):
            raise AssertionError(self.text())

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdin.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class PhoneCase(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(transport=2, sip=2, start=False)
        self.addCleanup(self.gateway.close)
        # baresip 1.0 gives up where SHA-256 is offered beside MD5
        self.gateway.config.write_text(
            self.gateway.config.read_text().replace('{ "SHA-256", "MD5" }', '{ "MD5" }')
        )
        self.gateway.start()


@unittest.skipUnless(shutil.which("baresip"), "baresip is not there")
class Phones(PhoneCase):
    def one_calls_the_other(self, callers_transport, callees_transport, who_hangs_up):
        g = self.gateway
        bob = Baresip(self, g, "bob", callees_transport)
        bob.says(r"registered successfully")
        alice = Baresip(self, g, "alice", callers_transport)
        alice.says(r"registered successfully")
        rows = {r["aor"]: r for r in g.ctl("registrations")}
        self.assertEqual(
            {aor: r["transport"].lower() for aor, r in rows.items()},
            {"sip:alice@example.net": callers_transport, "sip:bob@example.net": callees_transport},
        )
        self.assertEqual(g.ctl("calls"), [])
        alice.key("/dial sip:bob@example.net\n")
        alice.says(r"Call established: sip:bob@example.net")
        bob.says(r"Call established: sip:alice@example.net")
        (row,) = wait_for(
            lambda: [r for r in g.ctl("calls") if r["state"] == "established"],
            "the call in the list",
        )
        self.assertIn("sip:alice@example.net", row["from"])
        self.assertIn("sip:bob@example.net", row["to"])
        self.assertEqual(
            (row["caller"], row["callee"]),
            (rows["sip:alice@example.net"]["source"], rows["sip:bob@example.net"]["source"]),
        )
        for phone in (alice, bob):  # they hear each other: media goes past the gateway
            phone.says(r"incoming rtp for 'audio' established")
        {"alice": alice, "bob": bob}[who_hangs_up].key("b")
        alice.says(ENDED.format("bob"))
        bob.says(ENDED.format("alice"))
        wait_for(lambda: not g.ctl("calls"), "no call in the list")
        alice.quit()
        bob.quit()
        wait_for(lambda: not g.ctl("registrations"), "no binding once both have left")
        counters = g.counters()
        self.assertEqual(
            (counters["calls"], counters["calls_answered"], counters["calls_ended"]), (1, 1, 1)
        )
        self.assertTrue(counters["register_ok"] >= 4 and counters["auth_ok"] >= 5, counters)
        pids = [p.process.pid for p in (alice, bob)]
        self.assertFalse(any(map(exists, pids)))

    def test_tcp_calls_udp_and_hangs_up(self):
        self.one_calls_the_other("tcp", "udp", "alice")

    def test_udp_calls_tcp_which_hangs_up(self):
        self.one_calls_the_other("udp", "tcp", "bob")

    def test_dialled_at_start(self):
        """As the demo says: -e dials."""
        bob = Baresip(self, self.gateway, "bob", "udp")
        bob.says(r"registered successfully")
        alice = Baresip(self, self.gateway, "alice", "tcp", "-e", "/dial sip:bob@example.net")
        alice.says(r"Call established")
        bob.says(r"Call established")
        bob.quit()
        alice.says(ENDED.format("bob"))
        alice.quit()

    def test_wrong_password(self):
        (self.gateway.dir / "users").unlink()
        self.gateway.write_users(("bob",))
        text = (self.gateway.dir / "users").read_text()
        digest = text.split(":")[3].split()[0]
        (self.gateway.dir / "users").write_text(text.replace(digest, digest[::-1]))
        self.assertTrue(self.gateway.ctl("reload")["ok"])
        bob = Baresip(self, self.gateway, "bob", "udp")
        wait_for(
            lambda: self.gateway.counters().get("auth_wrong_digest"), "the wrong password counted"
        )
        self.assertEqual(self.gateway.ctl("registrations"), [])


@unittest.skipUnless(shutil.which("baresip"), "baresip is not there")
class OldPhones(unittest.TestCase):
    def test_gives_up_where_there_is_a_choice(self):
        """baresip 1.0 does where SHA-256 is offered beside MD5, which is the default: when it comes
        again it is let in, and calls."""
        g = Gateway(sip=2, extra="timers { t1 = 100ms }")
        self.addCleanup(g.close)

        def comes(user):
            phone = Baresip(self, g, user, "udp")
            phone.says(r"registered successfully|Function not implemented")
            if "registered successfully" in phone.text():
                return phone
            phone.close()
            return None

        bob = wait_for(lambda: comes("bob"), "bob's phone to be registered")
        alice = wait_for(lambda: comes("alice"), "alice's phone to be registered")
        alice.key("/dial sip:bob@example.net\n")
        alice.says(r"Call established: sip:bob@example.net")
        bob.says(r"Call established: sip:alice@example.net")
        alice.quit()
        bob.says(ENDED.format("alice"))
        bob.quit()
        self.assertIn(" old-client source=", g.log_text())
        self.assertGreaterEqual(g.counters()["auth_md5_alone"], 3)


@unittest.skipUnless(shutil.which("sipsak"), "sipsak is not there")
class Sipsak(PhoneCase):
    def sipsak(self, port, *words):
        ip = self.gateway.ip
        return subprocess.run(
            ["sipsak", "-p", f"{ip}:{port}", "-H", ip, "-vv", *words],
            capture_output=True,
            text=True,
            timeout=WAIT,
            stdin=subprocess.DEVNULL,
        )

    def test_options(self):
        done = self.sipsak(5062, "-s", f"sip:{self.gateway.ip}:5062")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("SIP/2.0 200 OK", done.stdout)
        self.assertRegex(done.stdout, r"Allow: .*INVITE")
        self.assertRegex(done.stdout, r"Supported: .*\w")

    def test_options_from_outside_are_challenged(self):
        done = self.sipsak(5060, "-s", "sip:example.net")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("200 OK", done.stdout)

    def test_registers(self):
        contact = f"sip:alice@{self.gateway.ip}:7777"
        done = self.sipsak(
            5060,
            "-U",
            "-i",
            "-C",
            contact,
            "-x",
            "100",
            "-u",
            "alice",
            "-a",
            "alice-secret",
            "-s",
            "sip:alice@example.net",
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (row,) = self.gateway.ctl("registrations")
        self.assertEqual(row["contact"], contact)
        self.assertTrue(90 <= row["expires"] <= 100, row)


if __name__ == "__main__":
    unittest.main()
