"""The man pages and the packaged config file: they say what the tables say, and nothing else."""
import itertools, os, pathlib, re, subprocess, tempfile, unittest

from gateway import BIN, own_address

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("sipward-cdr.5", "sipward.8", "sipward.conf.5", "sipwardctl.8")


def preprocessed(header, macros):
    """The text of a table after the preprocessor, with "ROW" before each row."""
    source = "".join(f"#define {m}(...) ROW {m}(__VA_ARGS__)\n" for m in macros)
    done = subprocess.run(
        ["gcc", "-E", "-P", "-I.", "-x", "c", "-"],
        input=source + f'#include "{header}"\n',
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return done.stdout


def options():
    """Every option as (section, name, default or None)."""
    text = preprocessed("ipc/options.def", ("OPTION", "OWN_OPTION"))
    text = re.sub(r'"\s*"', "", text)
    for section, name, rest in re.findall(
        r'ROW \w+ *\((\w+), "([^"]+)",(.*?)(?=ROW|\Z)', text, re.S
    ):
        preset = re.search(r'DEFAULT\("([^"]*)"\)', rest)
        yield section, name, preset and preset.group(1)


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        subprocess.run(
            [ROOT / "doc/make-man", "--version", "7.8.9", "--to", folder.name], check=True
        )
        cls.pages = {p.name: p for p in pathlib.Path(folder.name).iterdir()}
        cls.text = {n: p.read_text().replace("\\-", "-") for n, p in cls.pages.items()}

    def entries(self, page):
        """The words in bold at the head of a paragraph with a tag."""
        return re.findall(r'^\.TP\n\.BI? "?([^"\n]+?)"?(?: "[^\n]*)?$', self.text[page], re.M)

    def test_pages_are_there(self):
        self.assertEqual(sorted(self.pages), sorted(PAGES))
        for name, text in self.text.items():
            self.assertIn("sipward 7.8.9", text, name)
            self.assertNotRegex(text, r"^@", name)

    def test_every_option_has_its_entry_in_its_section(self):
        sections = re.split(r"^\.S[SH] ", self.text["sipward.conf.5"], flags=re.M)
        by_name = {}
        for text in sections:
            first = text.split("\n", 1)[0].split(" ")[0].split("\\")[0]
            by_name["root" if first == "Outside" else first] = text
        rows = list(options())
        self.assertGreater(len(rows), 60)
        for section, name, preset in rows:
            with self.subTest(section=section, name=name):
                entry = re.search(
                    r"^\.TP\n\.B %s\n(.*?)(?=^\.TP|\Z)" % re.escape(name),
                    by_name[section],
                    re.M | re.S,
                )
                self.assertTrue(entry, "no entry")
                self.assertIn("Value: ", entry.group(1))
                if preset:
                    self.assertIn(f"Default: {preset}.", entry.group(1))

    def commands(self):
        usage = subprocess.run([BIN / "sipwardctl", "-h"], capture_output=True, text=True).stdout
        found = re.findall(r"^  ([a-z]+(?: [a-z]+)?)\b", usage, re.M)
        self.assertGreater(len(found), 40)
        return set(found)

    def test_every_command_of_the_program_has_its_entry(self):
        entries = self.entries("sipwardctl.8")
        self.assertEqual(self.commands() - {"completion"} - set(entries), set())

    def test_every_option_of_init_has_its_entry(self):
        usage = subprocess.run([BIN / "sipward", "init", "--help"], capture_output=True, text=True)
        options = set(re.findall(r"--[a-z-]+", usage.stdout))
        self.assertGreater(len(options), 10)
        self.assertEqual({e for e in self.entries("sipward.8") if e.startswith("--")}, options)

    def test_readme_lists_the_commands_of_the_program(self):
        """In lines as "sipwardctl trunks list | show TRUNK": what stands behind a bar is a command
        of its own, or one of the same noun."""
        commands, listed = self.commands(), set()
        heads = re.findall(
            r"^    sipwardctl (\S+(?: \S+)*)", (ROOT / "README.md").read_text(), re.M
        )
        for head in heads:
            noun = head.split(" ")[0]
            for one in re.sub(r"\[.*?\]", "", head).split(" | "):
                words = re.match(r"[a-z|]+(?: [a-z|]+)*", one).group().split(" ")
                named = {" ".join(w) for w in itertools.product(*(w.split("|") for w in words))}
                if not named <= commands:
                    named = {f"{noun} {n}" for n in named}
                listed |= named
        self.assertEqual(listed, commands)

    def test_every_counter_has_its_entry(self):
        rows = re.findall(
            r'^(?:COUNTER|GAUGE)\(\w+, "([^"]+)"', (ROOT / "common/counters.def").read_text(), re.M
        )
        self.assertGreater(len(rows), 100)
        self.assertEqual(set(rows) - set(self.entries("sipwardctl.8")), set())

    def test_every_field_of_a_call_record_has_its_entry(self):
        text = (ROOT / "worker-sip/call/call_record.def").read_text()
        rows = re.findall(r'^CALL_(?:TARGET_)?FIELD\("([^"]+)"', text, re.M)
        words = re.findall(r'^CALL_(?:ENDER|END|OUTCOME|FORWARD)\(\w+, "([^"]+)"', text, re.M)
        self.assertGreater(len(rows), 30)
        self.assertEqual(sorted(rows + words), sorted(self.entries("sipward-cdr.5")))

    def test_pages_have_no_warnings(self):
        for name, path in self.pages.items():
            done = subprocess.run(
                ["mandoc", "-Tlint", "-W", "warning", path], capture_output=True, text=True
            )
            self.assertEqual((done.returncode, done.stdout), (0, ""), name)

    def test_packaged_config_comments_out_what_is_the_default(self):
        defaults = {(s, n): p for s, n, p in options() if p}
        section, checked = "root", 0
        for line in (ROOT / "deploy/sipward.conf").read_text().splitlines():
            begins = re.match(r'#?([a-z]+)(?: "[^"]*")? \{', line)
            if begins:
                section = begins.group(1)
            given = re.match(r'\s*#\s*([a-z0-9-]+)\s*=\s*("[^"]*"|\S+)(.*)', line)
            if given and "example" not in given.group(3):
                name, value = given.group(1), given.group(2).strip('"')
                if (section, name) in defaults:
                    checked += 1
                    self.assertEqual(value, defaults[section, name], f"{section}: {line}")
            if re.match(r"#?\}", line):
                section = "root"
        self.assertGreater(checked, 30)

    def test_configs_in_documents_are_accepted(self):
        """Each block of ```sipward by itself, as -n reads it; warnings are the reader's to see."""
        checked = 0
        for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("d*/*.md")]):
            for block in re.finditer(r"^```sipward\n(.*?)^```", page.read_text(), re.M | re.S):
                line = page.read_text()[: block.start()].count("\n") + 2
                with self.subTest(page.name, line=line), tempfile.TemporaryDirectory() as folder:
                    path = pathlib.Path(folder, "sipward.conf")
                    own = f'runtime-directory = "{folder}/run" state-directory = "{folder}/state"\n'
                    path.write_text(own + block.group(1))
                    pathlib.Path(folder, "users").write_text("")
                    os.chmod(pathlib.Path(folder, "users"), 0o640)
                    for name, file in re.findall(
                        r'username += "(.*)"\n\tcredentials += "(.*)"', block.group(1)
                    ):
                        pathlib.Path(folder, file).write_text(f"{name}:r:MD5:{'0' * 32}\n")
                        os.chmod(pathlib.Path(folder, file), 0o640)
                    done = subprocess.run(
                        [BIN / "sipward", "-n", "-c", path], capture_output=True, text=True
                    )
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    self.assertNotRegex(
                        done.stdout.replace("has no users", ""), r"never|nothing uses|unused"
                    )
                checked += 1
        self.assertGreater(checked, 2)

    def test_configs_in_the_man_page_are_accepted(self):
        """The example as it is, but for addresses of this machine, and rules in a zone of it."""
        *rules, example = re.findall(r"^\.nf\n(.*?)^\.fi", self.text["sipward.conf.5"], re.M | re.S)
        *rules, example = (t.replace(r"\(dq", '"').replace(r"\e", "\\") for t in (*rules, example))
        for one in ("203.0.113.7", "192.0.2.1"):
            example = example.replace(f"udp:{one}:5060", f"udp:{own_address()}:5060")
        with tempfile.TemporaryDirectory() as folder:
            path, users = pathlib.Path(folder, "sipward.conf"), pathlib.Path(folder, "users")
            users.write_text("")
            users.chmod(0o640)
            own = f'runtime-directory = "{folder}/run" state-directory = "{folder}/state"\n'
            with_rules = [example.replace("trust = no", f"trust = no {one}") for one in rules]
            self.assertEqual(len(with_rules), 2)
            for text in (example, *with_rules):
                path.write_text(own + text)
                done = subprocess.run(
                    [BIN / "sipward", "-n", "-c", path], capture_output=True, text=True
                )
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_packaged_config_is_readable(self):
        for number, line in enumerate((ROOT / "deploy/sipward.conf").read_text().splitlines(), 1):
            self.assertLessEqual(len(line.expandtabs(8)), 100, f"line {number}")

    def test_packaged_config_with_all_comments_taken_out_is_understood(self):
        """An option that is commented out is an option all the same: it is checked, too."""
        text = (ROOT / "deploy/sipward.conf").read_text()
        text = re.sub(
            r'^(\s*)#(?=[a-z]+(?: "[^"]*")? \{|\s*[a-z0-9-]+\s*=|\})', r"\1", text, flags=re.M
        )
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "sipward.conf")
            # the package makes that folder
            path.write_text(text.replace("/var/log/sipward/", f"{folder}/"))
            pathlib.Path(folder, "users").write_text("")
            os.chmod(pathlib.Path(folder, "users"), 0o640)
            for name in ("main.pem", "main.key", "clients.pem"):
                pathlib.Path(folder, name).write_text("")
            pathlib.Path(folder, "pbx.credentials").write_text(f"acme:r:MD5:{'0' * 32}\n")
            os.chmod(pathlib.Path(folder, "pbx.credentials"), 0o640)
            done = subprocess.run(
                [BIN / "sipward", "-n", "-c", path], capture_output=True, text=True
            )
        errors = [
            e for e in done.stderr.splitlines() if "only trunks with a target over TLS" not in e
        ]
        self.assertEqual(errors, [])


if __name__ == "__main__":
    unittest.main()
