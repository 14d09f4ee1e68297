"""The config: what is wrong with it is said by file and line, with what was expected, before
anything starts."""
import pathlib, re, shutil, subprocess, tempfile, unittest

from gateway import BIN, WAIT, Gateway, own_address

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"

# one statement a line: a case names the line that it changes
GOOD = """runtime-directory = "{dir}/run"
state-directory = "{dir}/state"
workers {{ transport = 1  sip = 2  tls = 1 }}
zone "access" {{
trust = no
auth = digest
rate = "50/s per source"
ban = "10 failures in 60s for 15m"
}}
zone "core" {{
trust = yes
auth = none
sources = {{ "127.0.0.1", "10.0.0.0/8" }}
}}
listener "udp" {{ bind = "udp:{ip}:5060" zone = "access" }}
listener "tcp" {{ bind = "tcp:{ip}:5060" zone = "access" }}
listener "core" {{ bind = "udp:{ip}:5062" zone = "core" }}
domain "example.net" {{
users = "users"
algorithms = {{ "SHA-256", "MD5" }}
expires = "60s..3600s"
}}
trunk "pbx" {{
zone = "core"
target = {{ "sip:127.0.0.1:5080" }}
}}
route "users" {{ from = {{ "access", "core" }} to-domain = "example.net" action = "registered" }}
route "out" {{ from = {{ "access" }} number = "^\\\\+?[0-9]{{3,15}}$" action = "trunk" \
trunk = {{ "pbx" }} }}
timers {{ t1 = 500ms }}
limits {{ connections = 100 message-size = 16KB }}
"""

# (what, the text to replace, its replacement, the line that the error names or None, what the error
# says)
BROKEN = [
    ("unknown option", "trust = no", "trsut = no", 5, r"trsut.*trust"),
    (
        "unknown option at top level",
        'state-directory = "{dir}/state"',
        'stat-directory = "{dir}/state"',
        2,
        r"stat-directory.*state-directory",
    ),
    ("unknown section", 'trunk "pbx" {{', 'trnuk "pbx" {{', 23, r"trnuk.*trunk"),
    ("unknown word", "auth = digest", "auth = digets", 6, r"none.*digest|digest.*none"),
    ("boolean", "trust = no", "trust = maybe", 5, r"yes or no"),
    ("number without unit", "t1 = 500ms", "t1 = 500", 29, r"t1.*500"),
    ("wrong unit", "t1 = 500ms", "t1 = 500KB", 29, r"t1.*500KB"),
    ("size in seconds", "message-size = 16KB", "message-size = 16s", 30, r"message-size.*16s"),
    (
        "web at a listener's port",
        "limits {{",
        'web {{ bind = "tcp:{ip}:5060" }}\nlimits {{',
        30,
        r'web: bind: the port is taken by listener "tcp" \(line 16\)',
    ),
    ("web over UDP", "limits {{", 'web {{ bind = "udp:{ip}:9060" }}\nlimits {{', 30, r"web: bind"),
    (
        "records in two places",
        "limits {{",
        'cdr {{\nfile = "a"\nsocket = "b" }}\nlimits {{',
        32,
        r"to a file or to a socket",
    ),
    (
        "records in no folder",
        "limits {{",
        'cdr {{\nfile = "none/a" }}\nlimits {{',
        31,
        r"section cdr: file: .* cannot be made",
    ),
    ("negative", "connections = 100", "connections = -1", 30, r"connections.*-1"),
    ("not a number", "sip = 2", "sip = two", 3, r"sip.*two"),
    ("no SIP worker", "sip = 2", "sip = 0", 3, r"sip"),
    ("too many workers", "transport = 1", "transport = 1000", 3, r"transport.*1000"),
    ("rate", '"50/s per source"', '"fifty"', 7, r"rate.*fifty"),
    ("ban", '"10 failures in 60s for 15m"', '"10 in 60s"', 8, r"ban.*10 in 60s"),
    ("source", '"10.0.0.0/8"', '"10.0.0.0/33"', 13, r"sources.*10\.0\.0\.0/33"),
    (
        "trusted zone without sources",
        'sources = {{ "127.0.0.1", "10.0.0.0/8" }}',
        "",
        10,
        r'zone "core".*sources',
    ),
    (
        "listener's zone",
        'listener "udp" {{ bind = "udp:{ip}:5060" zone = "access" }}',
        'listener "udp" {{ bind = "udp:{ip}:5060" zone = "acces" }}',
        15,
        r'"acces".*"access"',
    ),
    (
        "bind without port",
        'bind = "udp:{ip}:5060"',
        'bind = "udp:{ip}"',
        15,
        r"TRANSPORT:ADDRESS:PORT",
    ),
    (
        "bind with port 0",
        'bind = "udp:{ip}:5060"',
        'bind = "udp:{ip}:0"',
        15,
        r"TRANSPORT:ADDRESS:PORT",
    ),
    (
        "bind with port 65536",
        'bind = "udp:{ip}:5060"',
        'bind = "udp:{ip}:65536"',
        15,
        r"TRANSPORT:ADDRESS:PORT",
    ),
    (
        "bind to a name",
        'bind = "udp:{ip}:5060"',
        'bind = "udp:sip.example.net:5060"',
        15,
        r"numeric address",
    ),
    (
        "transport",
        'bind = "udp:{ip}:5060"',
        'bind = "sctp:{ip}:5060"',
        15,
        r"TRANSPORT:ADDRESS:PORT",
    ),
    (
        "two listeners on one address",
        'bind = "udp:{ip}:5062"',
        'bind = "udp:{ip}:5060"',
        17,
        r'taken by listener "udp".*line 15',
    ),
    (
        "wildcard over an address",
        'bind = "udp:{ip}:5062"',
        'bind = "udp:0.0.0.0:5060" advertise = "{ip}"',
        17,
        r'taken by listener "udp"',
    ),
    (
        "advertise",
        'zone = "core" }}\ndomain',
        'zone = "core" advertise = "0.0.0.0" }}\ndomain',
        17,
        r"advertise",
    ),
    (
        "wildcard without advertise",
        'bind = "udp:{ip}:5062"',
        'bind = "udp:0.0.0.0:5062"',
        17,
        r'every address of this machine.*add advertise = "HOST"',
    ),
    (
        "IPv6 target without brackets",
        "sip:127.0.0.1:5080",
        "sip:2001:db8::1",
        25,
        r"IPv6 address in brackets \(RFC 3261 section 25\.1\)",
    ),
    ("open quote", "auth = digest", 'auth = "digest', 6, r"quote that opens here"),
    (
        "typographic quotes",
        'zone = "core" }}\ndomain',
        "zone = “core” }}\ndomain",
        17,
        r"“ is a typographic quote",
    ),
    ("no-break space", "auth = digest", "auth =\u00a0digest", 6, r"no-break space"),
    (
        "list in brackets",
        '{{ "access", "core" }}',
        '[ "access", "core" ]',
        27,
        r"a list stands in braces",
    ),
    ("short section", 'trunk "pbx" {{', 'trun "pbx" {{', 23, r'section "trun".*"trunk"'),
    ("expression", "{{3,15}}$", "{{3,15}}($", 28, r"missing closing parenthesis, at offset 17"),
    (
        "expression of nothing",
        "^\\\\+?[0-9]",
        "*[0-9]",
        28,
        r"quantifier does not follow.*at offset 0",
    ),
    ("two listeners of one name", 'listener "tcp"', 'listener "udp"', 16, r'listener "udp"|"udp"'),
    ("users file missing", 'users = "users"', 'users = "nowhere"', 19, r"nowhere.*No such file"),
    ("algorithm", '"SHA-256", "MD5"', '"SHA-1", "MD5"', 20, r'"SHA-512-256", "SHA-256" or "MD5"'),
    ("expires", '"60s..3600s"', '"3600s..60s"', 21, r"range"),
    ("expires without units", '"60s..3600s"', '"60..3600"', 21, r"range"),
    ("trunk's zone", 'zone = "core"\ntarget', 'zone = "cor"\ntarget', 24, r'"cor".*"core"'),
    ("target with a user", "sip:127.0.0.1:5080", "sip:bob@127.0.0.1:5080", 25, r"without user"),
    ("target with a bad name", "sip:127.0.0.1:5080", "sip:pbx..example.net", 25, r"target"),
    ("target by sips", "sip:127.0.0.1:5080", "sips:127.0.0.1:5080", 25, r"sips"),
    ("target is ours", "sip:127.0.0.1:5080", "sip:{ip}:5062", 25, r'our own listener "core"'),
    (
        "target without a listener",
        "sip:127.0.0.1:5080",
        "sip:127.0.0.1:5080;transport=tcp",
        25,
        r"no TCP listener",
    ),
    ("no target", 'target = {{ "sip:127.0.0.1:5080" }}', "", 23, r"target is missing|target"),
    ("route's zone", '"access", "core"', '"access", "coer"', 27, r'"coer".*"core"'),
    (
        "route's domain",
        'to-domain = "example.net"',
        'to-domain = "example.com"',
        27,
        r"example\.com",
    ),
    (
        "route to a trunk that is not there",
        'trunk = {{ "pbx" }} }}',
        'trunk = {{ "bpx" }} }}',
        28,
        r'"bpx".*"pbx"',
    ),
    (
        "route without trunk",
        'action = "trunk" trunk = {{ "pbx" }}',
        'action = "trunk"',
        28,
        r"trunk",
    ),
    ("action", 'action = "registered"', 'action = "register"', 27, r"registered, trunk or refuse"),
    ("no action", 'action = "registered"', "", 27, r"action"),
    ("regular expression", '"^\\\\+?[0-9]{{3,15}}$"', '"^[0-9"', 28, r"regular expression"),
    (
        "status of a route that does not refuse",
        'action = "registered"',
        'action = "registered" status = 404',
        27,
        r'"refuse"',
    ),
    ("text after the end", "limits {{", "}}\nlimits {{", 30, r""),
    ("string left open", 'users = "users"', 'users = "users', None, r""),
    (
        "section left open",
        "limits {{ connections = 100 message-size = 16KB }}",
        "limits {{ connections = 100",
        None,
        r"",
    ),
    (
        "a collector over TCP",
        "limits {{",
        'hep {{ collector = "tcp:192.0.2.9:9060" }}\nlimits {{',
        30,
        r"collector.*udp:ADDRESS:PORT.*tcp:192",
    ),
    (
        "a collector without a port",
        "limits {{",
        'hep {{ collector = "udp:192.0.2.9" }}\nlimits {{',
        30,
        r"collector.*udp:ADDRESS:PORT",
    ),
    (
        "a password for no collector",
        "limits {{",
        'hep {{ password-file = "users" }}\nlimits {{',
        30,
        r"password-file goes with collector",
    ),
    (
        "no password file",
        "limits {{",
        'hep {{ collector = "udp:192.0.2.9:9060"\npassword-file = "nothing" }}\nlimits {{',
        31,
        r'password-file.*nothing" cannot be read',
    ),
    (
        "a password file for everyone",
        "limits {{",
        'hep {{ collector = "udp:192.0.2.9:9060"\npassword-file = "/etc/passwd" }}\nlimits {{',
        31,
        r"password-file.*everyone",
    ),
    ("no listener", None, None, None, r"no listener"),
]

USERS = [  # (what, text, line, what the error says)
    ("three fields", "alice:example.net:MD5\n", 1, r"name:realm:algorithm:ha1|expected"),
    ("algorithm", "alice:example.net:SHA1:" + "0" * 40 + "\n", 1, r"MD5|SHA-256"),
    ("digits", "alice:example.net:MD5:" + "z" * 32 + "\n", 1, r"hex|digits"),
    ("length", "alice:example.net:MD5:" + "0" * 31 + "\n", 1, r"32"),
    ("realm", "alice:example.com:MD5:" + "0" * 32 + "\n", 1, r'realm "example\.com"'),
    (
        "lacks an algorithm",
        "alice:example.net:MD5:" + "0" * 32 + "\n",
        1,
        r'"alice" has no line for SHA-256',
    ),
    ("twice", ("alice:example.net:MD5:" + "0" * 32 + "\n") * 2, 2, r"alice"),
]


class ConfigCase(unittest.TestCase):
    def setUp(self):
        self.ip = own_address()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sipward-config-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.path = self.dir / "sipward.conf"
        self.write_users(
            "".join(f"alice:example.net:{a}:{'0' * n}\n" for a, n in (("MD5", 32), ("SHA-256", 64)))
        )

    def write_users(self, text):
        (self.dir / "users").write_text(text)
        (self.dir / "users").chmod(0o640)

    def write(self, template):
        self.path.write_text(template.format(dir=self.dir, ip=self.ip))

    def run_sipward(self, *words):
        return subprocess.run(
            [BIN / "sipward", *map(str, words)], capture_output=True, text=True, timeout=WAIT
        )

    def refused(self, line, says, file=None):
        """-n and the real start refuse the file the same way, and nothing is started."""
        for words in (("-n", "-c", self.path), ("-c", self.path)):
            done = self.run_sipward(*words)
            self.assertEqual(done.returncode, 1, done.stderr)
            where = f"{file or self.path}" + (f":{line}: " if line else r":(\d+:)? ")
            self.assertTrue(
                any(
                    re.match(where, text) and re.search(says, text)
                    for text in done.stderr.splitlines()
                ),
                f"no {where}...{says} in:\n{done.stderr}",
            )
            self.assertEqual(done.stdout, "")
            self.assertNotIn("worker-started", done.stderr)
            self.assertFalse((self.dir / "run").exists())
            self.assertFalse((self.dir / "state").exists())
        return done.stderr

    def fine(self):
        done = self.run_sipward("-n", "-c", self.path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse((self.dir / "run").exists())
        return done.stdout + done.stderr


class Refused(ConfigCase):
    def test_every_mistake_by_its_line(self):
        for what, old, new, line, says in BROKEN:
            with self.subTest(what):
                if old is None:
                    text = (
                        "\n".join(x for x in GOOD.splitlines() if not x.startswith("listener"))
                        + "\n"
                    )
                else:
                    self.assertIn(old, GOOD)
                    text = GOOD.replace(old, new, 1)
                self.write(text)
                self.refused(line, says)

    def test_users_files(self):
        self.write(GOOD)
        for what, text, line, says in USERS:
            with self.subTest(what):
                self.write_users(text)
                self.refused(line, says, self.dir / "users")

    def test_all_mistakes_at_once(self):
        self.write(
            GOOD.replace("trust = no", "trust = maybe")
            .replace('"pbx" }} }}', '"bpx" }} }}')
            .replace("t1 = 500ms", "t1 = 500")
        )
        text = self.refused(5, "")
        self.assertEqual(
            sorted(int(n) for n in re.findall(r"^[^:\n]+:(\d+): ", text, re.M)), [5, 28, 29], text
        )

    def test_file_missing(self):
        self.path = self.dir / "nowhere.conf"
        self.refused(None, "No such file")

    def test_a_folder(self):
        self.path = self.dir
        done = self.run_sipward("-n", "-c", self.path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(self.dir), done.stderr)

    def test_no_secrets_in_errors(self):
        self.write(GOOD)
        secret = "0123456789abcdef" * 2
        self.write_users(f"alice:example.net:MD4:{secret}\n")
        self.assertNotIn(secret, self.run_sipward("-n", "-c", self.path).stderr)
        self.write_users(f"alice:example.net:MD5:{secret}x\n")
        self.assertNotIn(secret, self.run_sipward("-n", "-c", self.path).stderr)

    def test_usage(self):
        for words in (("-x",), ("-c",), ("-n", "-c", self.path, "more")):
            done = self.run_sipward(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("usage: sipward", done.stderr)


class Fine(ConfigCase):
    def test_good(self):
        self.write(GOOD)
        self.fine()

    def test_variants(self):
        for old, new in (
            (
                r'bind = "udp:{ip}:5062"',
                r'bind = "udp:[::1]:5062" advertise = "sip.example.net:5060"',
            ),
            ("t1 = 500ms", "t1 = 1s t2 = 4s t4 = 5s"),
            ('"SHA-256", "MD5"', '"MD5"'),
            ("auth = digest", "auth = none"),
            ('"50/s per source"', '"off"'),
            ("message-size = 16KB", "message-size = 64KB"),
            ('action = "registered"', 'action = "refuse" status = 404'),
            ('"60s..3600s"', '"1m..1h"'),
            ('zone = "access" }}\nlistener "tcp"', 'zone = "access" }} # a remark\nlistener "tcp"'),
        ):
            with self.subTest(new):
                text = GOOD.replace(old, new, 1)
                if "::1" in new:
                    text = text.replace(
                        'target = {{ "sip:127.0.0.1:5080" }}', 'target = {{ "sip:[::1]:5080" }}'
                    ).replace('"10.0.0.0/8"', '"::1"')
                self.assertNotEqual(text, GOOD)
                self.write(text)
                self.fine()

    def test_packaged(self):
        for name in ("sipward.conf", "demo.conf"):
            with self.subTest(name):
                # where it is installed the users file is the operator's to make
                shutil.copy(DEPLOY / name, self.path)
                users = re.search(
                    r'^\s*users\s*=\s*"([^"]+)"|domain .*users = "([^"]+)"',
                    self.path.read_text(),
                    re.M,
                )
                users = users.group(1) or users.group(2)
                if (DEPLOY / users).exists():
                    shutil.copy(DEPLOY / users, self.dir / users)
                self.fine()

    def test_warnings_are_said(self):
        self.write(GOOD.replace("auth = digest", "auth = none"))
        self.assertIn("anyone may use the routes", self.fine())

    def test_version_and_help(self):
        done = self.run_sipward("-V")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^sipward \d+\.\d+\.\d+\n$")
        done = self.run_sipward("-h")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("-c FILE", "-n", "-V", "-h"):
            self.assertIn(option, done.stdout)

    def test_check_beside_a_running_one(self):
        """A check binds nothing and locks nothing: it runs beside the gateway of the same file."""
        g = Gateway()
        self.addCleanup(g.close)
        done = self.run_sipward("-n", "-c", g.config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(g.ctl("status")["object"]["workers_ready"], 2)


if __name__ == "__main__":
    unittest.main()
