"""Mistakes that no reading of the config file alone can find: certificates, accounts, folders and
ports. `sipward -n` and a start look for the same, and say the same by file and line. What they
accept runs, and status tells what is wrong with it all the same."""
import os, pathlib, shutil, socket, subprocess, unittest

from certs import Authority, make_key, run
from gateway import Gateway, wait_for
from test_config import GOOD, ConfigCase

# lines 31 to 34, behind those of GOOD
TLS = """certificate "main" {{ chain = "main.pem"
key = "main.key"
names = {{ "sip.example.net" }} }}
listener "tls" {{ bind = "tls:{ip}:5061" zone = "access" certificate = {{ "main" }} {more} }}
"""
CHAIN, KEY, LISTENER = 31, 32, 34


class MistakeCase(ConfigCase):
    """A config with TLS that would start: each test spoils one thing of it."""

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.dir)
        self.issue()
        self.more = ""

    def issue(self, names="DNS:sip.example.net", **words):
        self.authority.issue("main", names, **words)

    def write_tls(self, old="", new=""):
        text = GOOD + TLS.replace("{more}", self.more)
        self.assertIn(old, text)
        self.write(text.replace(old, new, 1) if old else text)

    def text_of(self, name):
        return (self.dir / name).read_text()

    def put(self, name, text):
        (self.dir / name).unlink(missing_ok=True)
        (self.dir / name).write_text(text)

    def folder(self, name):
        (self.dir / name).unlink(missing_ok=True)
        (self.dir / name).mkdir()

    def swap(self):
        chain, key = self.text_of("main.pem"), self.text_of("main.key")
        self.put("main.pem", key)
        self.put("main.key", chain)

    def key(self, *words):
        run("genpkey", *words, "-out", self.dir / "main.key")
        self.authority.issue("main", "DNS:sip.example.net", key=self.dir / "main.key")

    def encrypt(self):
        run(
            "pkcs8",
            "-topk8",
            "-in",
            self.dir / "main.key",
            "-passout",
            "pass:secret",
            "-out",
            self.dir / "locked.key",
        )
        self.put("main.key", self.text_of("locked.key"))

    def der(self, kind, name):
        run(kind, "-in", self.dir / name, "-outform", "DER", "-out", self.dir / "der")
        (self.dir / "der").replace(self.dir / name)

    def client_ca(self, name):
        self.more = f'client-auth = required client-ca = "{name}"'

    def garbage(self):
        self.client_ca("garbage.pem")
        self.put("garbage.pem", "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n")


# (what, what spoils the files, the line that is named, what is said)
CERTIFICATES = [
    ("no chain", lambda t: (t.dir / "main.pem").unlink(), CHAIN, r"chain: .*No such file"),
    ("no key", lambda t: (t.dir / "main.key").unlink(), KEY, r"key: .*No such file"),
    ("empty chain", lambda t: t.put("main.pem", ""), CHAIN, r"chain: .* is empty"),
    ("empty key", lambda t: t.put("main.key", ""), KEY, r"key: .* is empty"),
    ("a folder for the chain", lambda t: t.folder("main.pem"), CHAIN, r"chain: .* is a folder"),
    ("a folder for the key", lambda t: t.folder("main.key"), KEY, r"key: .* is a folder"),
    (
        "a device",
        lambda t: ((t.dir / "main.pem").unlink(), os.mkfifo(t.dir / "main.pem")),
        CHAIN,
        r"chain: .* is no regular file",
    ),
    (
        "a chain too large",
        lambda t: t.put("main.pem", "x" * 40000),
        CHAIN,
        r"chain: .* more than 32768 bytes",
    ),
    (
        "a key too large",
        lambda t: t.put("main.key", "x" * 40000),
        KEY,
        r"key: .* more than 12288 bytes",
    ),
    ("swapped", lambda t: t.swap(), CHAIN, r"chain: .*private key"),
    (
        "swapped, the key's side",
        lambda t: t.swap(),
        KEY,
        r"key: .*a certificate and no private key.*chain and key.*swapped",
    ),
    (
        "chain with the key",
        lambda t: t.put("main.pem", t.text_of("main.pem") + t.text_of("main.key")),
        CHAIN,
        r"chain: .*holds a private key",
    ),
    (
        "a chain in DER",
        lambda t: t.der("x509", "main.pem"),
        CHAIN,
        r"chain: .*no certificate in PEM form",
    ),
    (
        "a key in DER",
        lambda t: t.der("pkey", "main.key"),
        KEY,
        r"key: .*no private key in PEM form",
    ),
    (
        "a request",
        lambda t: t.put("main.pem", (t.authority.work / "main.csr").read_text()),
        CHAIN,
        r"chain: .*no certificate in PEM form",
    ),
    (
        "another key",
        lambda t: make_key(t.dir / "main.key", "P-256"),
        KEY,
        r'"main": the key does not belong to the first certificate',
    ),
    (
        "a key of another kind",
        lambda t: make_key(t.dir / "main.key", "RSA-2048"),
        KEY,
        r'"main": the key does not belong to the first certificate',
    ),
    (
        "the authority first",
        lambda t: t.put("main.pem", t.text_of("ca.pem") + t.text_of("main.pem")),
        CHAIN,
        r'does not name "sip.example.net"',
    ),
    ("locked key", lambda t: t.encrypt(), KEY, r'"main": the key is encrypted'),
    (
        "small key",
        lambda t: t.key("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
        KEY,
        r"expected a key of RSA 2048",
    ),
    (
        "large key",
        lambda t: t.key("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:5120"),
        KEY,
        r"expected a key of RSA 2048",
    ),
    (
        "curve",
        lambda t: t.key("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
        KEY,
        r"expected a key of RSA 2048",
    ),
    ("kind", lambda t: t.key("-algorithm", "ED448"), KEY, r"expected a key of RSA 2048"),
    (
        "name",
        lambda t: t.issue("DNS:elsewhere.example.net"),
        CHAIN,
        r'does not name "sip.example.net"',
    ),
    ("no name", lambda t: t.issue("", common="other"), CHAIN, r'does not name "sip.example.net"'),
    (
        "garbage in PEM",
        lambda t: t.put(
            "main.pem", "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
        ),
        CHAIN,
        r"cannot be parsed" r"|no certificate",
    ),
    (
        "second certificate garbage",
        lambda t: t.put(
            "main.pem",
            t.text_of("main.pem")
            + "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n",
        ),
        CHAIN,
        r"certificate 2 of the chain cannot be parsed",
    ),
    (
        "key garbage",
        lambda t: t.put(
            "main.key", "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n"
        ),
        KEY,
        r'"main": the key',
    ),
    ("no client-ca", lambda t: t.client_ca("none.pem"), LISTENER, r"client-ca: .*No such file"),
    (
        "client-ca is a folder",
        lambda t: (t.client_ca("d"), t.folder("d")),
        LISTENER,
        r"client-ca: .* is a folder",
    ),
    (
        "client-ca is a key",
        lambda t: t.client_ca("main.key"),
        LISTENER,
        r"client-ca: .*no certificate in PEM form",
    ),
    (
        "client-ca empty",
        lambda t: (t.client_ca("e"), t.put("e", "")),
        LISTENER,
        r"client-ca: .* is empty",
    ),
    (
        "client-ca garbage",
        lambda t: t.garbage(),
        LISTENER,
        r"client-ca: .* holds a certificate that cannot be read",
    ),
]


class Certificates(MistakeCase):
    def test_every_mistake(self):
        for what, spoil, line, says in CERTIFICATES:
            with self.subTest(what):
                for name in ("main.pem", "main.key"):
                    if (self.dir / name).is_dir():
                        (self.dir / name).rmdir()
                    elif (self.dir / name).exists():
                        (self.dir / name).unlink()
                self.issue()
                self.more = ""
                spoil(self)
                self.write_tls()
                self.refused(line, says)

    def test_all_at_once(self):
        """One check tells what is wrong with each."""
        self.authority.issue("other", "DNS:sip.example.net")
        make_key(self.dir / "main.key", "P-256")
        make_key(self.dir / "other.key", "P-256")
        self.write(
            GOOD + TLS.replace("{more}", "") + 'certificate "other" {{\nchain = "other.pem"\n'
            'key = "other.key" }}\n'
        )
        said = self.refused(KEY, r'"main": the key does not belong')
        self.assertRegex(said, r'(?m)^.*sipward\.conf:37: certificate "other": the key does not')

    def test_trust(self):
        self.put("trust.pem", "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n")
        self.write(
            GOOD.replace("sip:127.0.0.1:5080", "sips:127.0.0.1:5081")
            + TLS.replace("{more}", "").replace('zone = "access"', 'zone = "core"')
            + 'tls {{ trust = "trust.pem" }}\n'
        )
        self.refused(35, r"tls: trust: .* holds a certificate that cannot be read")

    def test_dates(self):
        """An expired one is served, for the other listeners are better than none; it is said."""
        for what, dates, says in (
            ("expired", {"end": "20210101000000Z"}, "expired at 2021-01-01"),
            ("not yet", {"start": "20480101000000Z"}, "not valid before 2048-01-01"),
        ):
            with self.subTest(what):
                self.issue(**dates)
                self.write_tls()
                self.assertRegex(
                    self.fine(), rf'sipward.conf:{CHAIN}: warning: certificate "main": {says}'
                )


class Served(unittest.TestCase):
    LISTENER = (
        'certificate "main" { chain = "main.pem"  key = "main.key" }\n'
        'listener "tls" { bind = "tls:IP:5061" zone = "access" certificate = { "main" } }\n'
    )

    def secure(self, **dates):
        g = Gateway(start=False, tls=1)
        self.addCleanup(g.close)
        g.config.write_text(g.config.read_text() + self.LISTENER.replace("IP", g.ip))
        authority = Authority(g.dir)
        authority.issue("main", "DNS:sip.example.net", **dates)
        g.start()
        return g, authority

    def status(self, g):
        return g.ctl("status")["object"]

    def test_a_good_one(self):
        g, _ = self.secure()
        self.assertEqual(self.status(g)["state"], "running")
        self.assertNotIn("degraded", self.status(g))

    def test_an_expired_one(self):
        g, authority = self.secure(end="20210101000000Z")
        self.assertEqual(self.status(g)["state"], "degraded")
        self.assertRegex(" ".join(self.status(g)["degraded"]), 'certificate.* "main".*expired')
        # what runs can be reloaded; another that has expired cannot replace it
        self.assertTrue(g.ctl("reload")["ok"])
        authority.issue("main", "DNS:sip.example.net", end="20220101000000Z")
        said = g.ctl("reload", check=False)["errors"]
        line = g.config.read_text().splitlines().index(self.LISTENER.splitlines()[0]) + 1
        self.assertRegex(said[0], rf'sipward.conf:{line}: certificate "main": expired')
        said = g.ctl("cert", "stage", check=False)["error"]
        self.assertRegex(said, rf'nothing was staged: .*sipward.conf:{line}: certificate "main"')
        authority.issue("main", "DNS:sip.example.net")
        self.assertTrue(g.ctl("reload")["ok"])
        self.assertEqual(self.status(g)["state"], "running")

    def test_authorities_that_cannot_be_read(self):
        """A reload finds them as a start does, and changes nothing."""
        g, authority = self.secure()
        text = g.config.read_text()
        (g.dir / "clients.pem").write_text(
            "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"
        )
        g.config.write_text(
            text.replace(
                'certificate = { "main" }',
                'certificate = { "main" } client-auth = required client-ca = "clients.pem"',
            )
        )
        said = g.ctl("reload", check=False)["errors"]
        line = g.config.read_text().splitlines().index(self.LISTENER.splitlines()[0]) + 2
        self.assertRegex(said[0], rf"sipward.conf:{line}: client-ca: .*cannot be read")
        self.assertEqual(self.status(g)["state"], "running", "nothing has changed")
        shutil.copy(authority.pem, g.dir / "clients.pem")
        self.assertTrue(g.ctl("reload")["ok"])
        self.assertEqual(self.status(g)["state"], "running")


class Surroundings(MistakeCase):
    def test_accounts(self):
        if os.geteuid():
            self.skipTest("only root can be another user")
        for what, option, says in (
            ("user", 'tls-user = "nobody-at-all"', r'tls-user: there is no user "nobody-at-all"'),
            (
                "group",
                'sip-user = "_sipward-sip:none-at-all"',
                r'sip-user: there is no group "none-at-all"',
            ),
            ("root", 'transport-user = "root"', r"transport-user: workers never run as root"),
        ):
            with self.subTest(what):
                self.write(GOOD.replace("tls = 1 }}", f"tls = 1 {option} }}}}"))
                self.refused(3, says)
        self.write(GOOD + 'control {{ group = "none-at-all" }}\n')
        self.refused(31, r'control: group: there is no group "none-at-all"')

    def test_folders(self):
        (self.dir / "file").touch()
        for name in ("run", "state"):
            word = {"run": "runtime", "state": "state"}[name]
            for path, says in (
                ("{dir}/file", r"is no folder"),
                ("{dir}/no/where", r"cannot be made in .*No such file"),
                ("{dir}/open", r"writable by nobody else"),
            ):
                with self.subTest(f"{name} {path}"):
                    (self.dir / "open").mkdir(exist_ok=True)
                    (self.dir / "open").chmod(0o777)
                    self.write(GOOD.replace(f'"{{dir}}/{name}"', f'"{path}"', 1))
                    line = 1 if name == "run" else 2
                    self.refused(line, rf"{word}-directory: .*{says}")

    def test_ports(self):
        for kind, where, line in (
            (socket.SOCK_DGRAM, 5060, 15),
            (socket.SOCK_STREAM, 5060, 16),
            (socket.SOCK_DGRAM, 5062, 17),
        ):
            with self.subTest(line), socket.socket(socket.AF_INET, kind) as other:
                other.bind((self.ip, where))
                if kind == socket.SOCK_STREAM:
                    other.listen()
                self.write(GOOD)
                self.refused(line, r'listener "\w+": \w+ .*cannot be bound: another process holds')

    def test_the_port_of_the_web_worker(self):
        with socket.create_server((self.ip, 0)) as other:
            port = other.getsockname()[1]
            self.write(GOOD + f'web {{{{\nbind = "tcp:{{ip}}:{port}" }}}}\n')
            self.refused(32, r"section web: bind: .* cannot be bound: another process holds")

    def test_an_address_of_nobody(self):
        self.write(GOOD.replace("udp:{ip}:5062", "udp:192.0.2.1:5062"))
        self.refused(17, r'listener "core": UDP 192\.0\.2\.1:5062 cannot be bound: no interface')

    def test_a_low_port_without_the_right(self):
        if os.geteuid():
            self.skipTest("takes root to give the right away")
        self.write(GOOD.replace("udp:{ip}:5062", "udp:{ip}:62"))
        for path in (self.dir, *self.dir.iterdir()):
            os.chown(path, 65534, 65534)
        done = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=-all",
                "--bounding-set=-all",
                os.environ.get("SIPWARD_BUILD", "build") + "/bin/sipward",
                "-n",
                "-c",
                self.path,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(
            done.stderr, r'sipward.conf:17: listener "core": .*below 1024.*root or CAP'
        )

    def test_while_it_runs(self):
        """A check of the file that runs finds no fault with ports that its own gateway holds."""
        g = Gateway()
        self.addCleanup(g.close)
        self.path = g.config
        done = self.run_sipward("-n", "-c", g.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.run_sipward("-c", g.config)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"runtime-directory: another sipward runs in")

    def test_nothing_is_left_behind(self):
        self.write_tls()
        self.fine()
        left = [x for f in ("/run", "/tmp") for x in pathlib.Path(f).glob("sipward-check-*")]
        # those of other tests go when these have started
        wait_for(lambda: not any(x.exists() for x in left), f"none of {left}")


if __name__ == "__main__":
    unittest.main()
