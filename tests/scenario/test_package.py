"""The Debian package and its unit say what the tables and the program say. What becomes of it on a
machine is for tests/fresh/run."""
import os, pathlib, re, shutil, subprocess, tempfile, unittest

from gateway import BIN

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/systemd/sipward.service"
# what a Debian that builds packages has (build-essential)
ESSENTIAL = {"gcc", "make", "libc6-dev"}
# tenths: what `systemd-analyze security` may say at most; the unit says what is left out, and why
EXPOSURE_MAX = 66


def unit_values(name):
    return [
        word
        for line in UNIT.read_text().splitlines()
        if line.startswith(name + "=")
        for word in line.split("=", 1)[1].split()
    ]


class Package(unittest.TestCase):
    def test_build_dependencies_are_those_of_the_list(self):
        control = (ROOT / "debian/control").read_text()
        field = re.search(r"^Build-Depends:(.*?)^\S", control, re.M | re.S).group(1)
        named = {re.sub(r" *\(.*", "", word.strip()) for word in field.split(",")}
        rows = [
            line.split()
            for line in (ROOT / "deploy/packages").read_text().splitlines()
            if line and line[0] != "#"
        ]
        wanted = {name for kind, name in rows if kind == "build"} - ESSENTIAL
        self.assertEqual(named - {"debhelper-compat"}, wanted)
        self.assertIn(["package", "debhelper"], rows)

    def test_what_a_package_was_built_in_stops_no_make(self):
        """It has folders that end as files of dependencies do, and stays where a build failed."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "deb/sipward/logrotate.d").mkdir(parents=True)
            done = subprocess.run(
                ["make", "-n", "-C", ROOT, f"BUILD={folder}", "all"],
                capture_output=True,
                text=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
            )
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_version(self):
        version = re.search(r"^VERSION := (.*)", (ROOT / "Makefile").read_text(), re.M).group(1)
        first = (ROOT / "debian/changelog").read_text().splitlines()[0]
        self.assertIn(f"sipward ({version})", first)

    def test_unit_keeps_the_capabilities_of_the_master(self):
        source = (ROOT / "master/jail/master_jail.c").read_text()
        table = re.search(r"capabilities\[\] = \{(.*?)\};", source, re.S).group(1)
        self.assertEqual(
            set(unit_values("CapabilityBoundingSet")), set(re.findall(r"\bCAP_\w+", table))
        )

    def test_unit_runs_what_is_installed(self):
        rules = (ROOT / "debian/rules").read_text()
        self.assertIn("PREFIX=/usr ", rules)
        for name, program in (("ExecStart", "sipward"), ("ExecReload", "sipwardctl")):
            self.assertEqual(unit_values(name)[0], f"/usr/sbin/{program}")
        self.assertEqual(unit_values("Type"), ["notify"])

    def test_unit_writes_where_folders_are_made(self):
        made = re.findall(
            r"^d +(\S+)", (ROOT / "deploy/systemd/sipward.tmpfiles").read_text(), re.M
        )
        self.assertEqual(set(unit_values("ReadWritePaths")), {"/etc/sipward", *made})

    def test_accounts_are_those_of_the_roles(self):
        roles = re.findall(r'^ROLE\(\w+, \w, "(\w+)"', (ROOT / "ipc/roles.def").read_text(), re.M)
        lines = (ROOT / "deploy/sipward.sysusers").read_text()
        self.assertEqual(
            set(re.findall(r"^u +(\S+)", lines, re.M)), {f"_sipward-{role}" for role in roles}
        )
        # passwd(5) has no colon in a field
        for comment in re.findall(r'^u .*"(.*)"', lines, re.M):
            self.assertNotIn(":", comment)

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "no systemd-sysusers")
    def test_accounts_are_understood(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "etc").mkdir()
            done = subprocess.run(
                ["systemd-sysusers", f"--root={folder}", "-"],
                input=(ROOT / "deploy/sipward.sysusers").read_text(),
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("_sipward-tls", pathlib.Path(folder, "etc/passwd").read_text())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_unit_is_hardened(self):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", UNIT],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotRegex(done.stderr, r"sipward\.service:\d+:")

    @unittest.skipUnless(shutil.which("logrotate"), "no logrotate")
    def test_rotation_is_understood(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "rotate")
            path.write_text((ROOT / "deploy/sipward.logrotate").read_text())
            path.chmod(0o644)
            done = subprocess.run(
                ["logrotate", "-d", "-s", pathlib.Path(folder, "state"), path],
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("error:", done.stderr)

    def test_completion_is_a_script(self):
        script = subprocess.run([BIN / "sipwardctl", "completion"], capture_output=True, check=True)
        subprocess.run(["bash", "-n"], input=script.stdout, check=True)


if __name__ == "__main__":
    unittest.main()
