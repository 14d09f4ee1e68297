"""sipward init: what it writes is accepted, what is there is kept, and phones can register."""
import hashlib, os, pathlib, subprocess, tempfile, unittest

from certs import Authority
from gateway import BIN, WAIT, Gateway, own_address
from peers import Phone


class Init(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.config = self.dir / "sipward.conf"
        self.ip = own_address()

    def run_init(self, *options, stdin="", code=0):
        done = subprocess.run(
            [BIN / "sipward", "init", "--config", self.config, *options],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def given(self, *more):
        return ("--domain", "example.net", "--address", self.ip, *more)

    def accepted(self):
        done = subprocess.run(
            [BIN / "sipward", "-n", "-c", self.config], capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def left(self):
        return sorted(p.name for p in self.dir.iterdir())

    def test_carrier_and_users(self):
        self.run_init(
            *self.given("--trunk", "carrier", "--target", "192.0.2.7", "--user", "alice"),
            *("--user", "bob", "--passwords-stdin"),
            stdin="alice-secret\nbob-secret\n",
        )
        self.assertEqual(self.left(), ["sipward.conf", "users"])
        self.assertEqual(os.stat(self.dir / "users").st_mode & 0o777, 0o640)
        self.accepted()
        text = self.config.read_text()
        self.assertIn('sources = { "192.0.2.7" }', text)
        self.assertIn('number = "^\\\\+?[0-9]{3,15}$"', text)
        self.assertEqual((self.dir / "users").read_text().count("\n"), 4)

        # a gateway with it registers alice with that password
        g = Gateway(start=False)
        self.addCleanup(g.close)
        g.ip = self.ip
        (g.dir / "users").write_text((self.dir / "users").read_text())
        own = f'runtime-directory = "{g.dir}/run"\nstate-directory = "{g.dir}/state"\n'
        g.config.write_text(own + text.replace("require-jail = yes", ""))
        g.start()
        phone = Phone(g, "alice")
        self.addCleanup(phone.close)
        phone.register()
        self.assertIn("sip:alice@example.net", str(g.ctl("registrations")))

    def test_carrier_by_name_at_which_we_register(self):
        self.run_init(
            *self.given("--trunk", "carrier", "--target", "carrier.test", "--register", "acme"),
            *("--sources", "192.0.2.0/24 198.51.100.0/24", "--user", "alice", "--user", "bob"),
            "--passwords-stdin",
            stdin="one\nalice-secret\nbob-secret\n",
        )
        self.assertEqual(self.left(), ["carrier.credentials", "sipward.conf", "users"])
        self.accepted()
        secrets = self.dir / "carrier.credentials"
        self.assertEqual(os.stat(secrets).st_mode & 0o777, 0o640)
        digest = hashlib.md5(b"acme:carrier.test:one").hexdigest()
        self.assertIn(f"acme:carrier.test:MD5:{digest}\n", secrets.read_text())
        text = self.config.read_text()
        self.assertIn('sources = { "192.0.2.0/24", "198.51.100.0/24" }', text)
        self.assertIn('contact-user = "alice"', text)
        self.assertNotIn("one", text.split())

    def test_passwords_are_made_up(self):
        made, _ = self.run_init(*self.given("--user", "alice", "--yes"))
        self.assertRegex(made, r"^  alice@example.net  [0-9a-f]{24}\n$")
        self.accepted()

    def test_other_kinds_are_accepted(self):
        for options in (
            (),
            ("--trunk", "pbx", "--target", "10.0.0.5:5080"),
            ("--address", "::1", "--trunk", "pbx", "--target", "[2001:db8::5]:5070"),
            ("--address", "::1", "--trunk", "carrier", "--target", "2001:db8::5"),
            ("--advertise", "203.0.113.7"),
        ):
            with self.subTest(options):
                self.run_init(*self.given("--yes", "--force", *options))
                self.accepted()

    def test_certificates_are_found(self):
        live = self.dir / "live"
        (live / "sip.example.net").mkdir(parents=True)
        Authority(self.dir).issue("main", "DNS:sip.example.net", "P-256")
        (self.dir / "main.pem").rename(live / "sip.example.net/fullchain.pem")
        (self.dir / "main.key").rename(live / "sip.example.net/privkey.pem")
        _, said = self.run_init(*self.given("--yes", "--letsencrypt", live))
        self.assertIn("Certificate found", said)
        self.assertIn('bind = "tls:', self.config.read_text())
        self.accepted()
        self.run_init(*self.given("--yes", "--letsencrypt", live, "--no-tls", "--force"))
        self.assertNotIn("tls:", self.config.read_text())

    def test_nothing_is_overwritten(self):
        self.config.write_text("# mine\n")
        _, said = self.run_init(*self.given("--yes"), code=1)
        self.assertIn("--force", said)
        self.assertEqual(self.config.read_text(), "# mine\n")
        self.config.unlink()
        (self.dir / "users").write_text("# mine\n")
        self.run_init(*self.given("--yes"), code=1)
        self.assertEqual(self.left(), ["users"])
        self.run_init(*self.given("--yes", "--force"))
        self.accepted()

    def test_nothing_is_written_that_is_not_accepted(self):
        for options, words in (
            (("--domain", "bad domain"), "domain"),
            (("--address", "not-an-address"), "bind"),
            (("--trunk", "carrier", "--target", "999.1.1.1"), "target|sources"),
            (("--trunk", "carrier"), "--target"),
            (("--trunk", "carrier", "--target", "carrier.test"), "networks of carrier.test"),
            (("--register", "acme"), "needs a trunk"),
            (
                ("--trunk", "carrier", "--target", "192.0.2.7", "--register", "acme"),
                "--passwords-stdin",
            ),
            (("--trunk", "phone"), "expected carrier, pbx or none"),
            (("--domain", 'a" b'), "quote"),
            (("--nonsense", "1"), "no option --nonsense"),
            (("--domain",), "needs a value"),
        ):
            with self.subTest(options):
                _, said = self.run_init(*self.given("--yes", *options), code=1)
                self.assertRegex(said, words)
                self.assertEqual(self.left(), [])

    def test_questions(self):
        """With a terminal it asks, and an empty answer is the default."""
        import pty

        master, slave = pty.openpty()
        os.write(master, f"example.org\n{self.ip}\nnone\nalice\n\n".encode())
        done = subprocess.run(
            [BIN / "sipward", "init", "--config", self.config, "--letsencrypt", self.dir],
            stdin=slave,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        os.close(slave)
        os.close(master)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('domain "example.org"', self.config.read_text())
        self.assertIn("alice@example.org", done.stdout)
        self.accepted()


if __name__ == "__main__":
    unittest.main()
