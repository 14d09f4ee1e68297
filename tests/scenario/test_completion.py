"""What bash completes of a line of sipwardctl: its words, and names that the gateway has."""
import json, os, pathlib, subprocess, tempfile, unittest

from gateway import BIN, Gateway

SCRIPT = """
source <(sipwardctl completion)
COMP_LINE=$1 COMP_POINT=${#1}
_sipwardctl
printf '%s\\n' "${COMPREPLY[@]}"
"""


# It says what stands in a file.
PRETENDER = "sipwardctl() { cat answer; }\nCOMP_LINE="


def complete(line, script=SCRIPT, cwd=None):
    """The words that bash offers, and what it says of the script."""
    done = subprocess.run(
        ["bash", "-c", script, "x", f"sipwardctl {line}"],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}"),
    )
    return done.stdout.splitlines(), done.stderr


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)

    def complete(self, line, cwd=None):
        socket = self.gateway.dir / "run/control.sock"
        words, errors = complete(f"-s {socket} {line}", cwd=cwd)
        self.assertEqual(errors, "")
        return [word for word in words if word]

    def completes(self, rows):
        for line, found in rows:
            with self.subTest(line):
                self.assertEqual(self.complete(line), found.split())

    def test_script(self):
        script = subprocess.run([BIN / "sipwardctl", "completion"], capture_output=True)
        self.assertEqual(script.returncode, 0, script.stderr)
        check = subprocess.run(["bash", "-n"], input=script.stdout, capture_output=True)
        self.assertEqual(check.returncode, 0, check.stderr)

    def test_words_of_commands(self):
        self.completes(
            (
                ("us", "user"),
                ("user ", "add remove list"),
                ("re", "registrations reload reopen"),
                ("comp", "completion"),
                ("trun", "trunks"),
                ("cert st", "stage"),
                ("--json quarantine cl", "clear"),
                ("calls ", "show end"),
                ("registrations ", "remove"),
            )
        )
        self.assertIn("show", self.complete("trunks "))

    def test_flags(self):
        self.completes(
            (
                ("--js", "--json"),
                ("--re", "--realm"),
                ("calls --us", "--user"),
                ("calls --l", "--limit"),
                ("calls --count --", "--user --trunk --zone --older --limit --count --json"),
                ("registrations --a", "--agent"),
                ("trace --json --sv", "--svg"),
            )
        )

    def test_names_of_the_gateway(self):
        self.completes(
            (
                ("trunks show ", "pbx"),
                ("trunks show pbx ", ""),
                ("calls --trunk p", "pbx"),
                ("calls --trunk pbx --user al", "alice@example.net"),
                ("user remove bo", "bob@example.net"),
                # bash replaces what is behind the "@" alone
                ("user remove bob@exam", "example.net"),
                ("user list ", "example.net"),
                ("log level d", "debug"),
                ("counters ", "ALL"),
                ("calls show ", ""),
            )
        )

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "ladder.svg").touch()
            self.assertEqual(self.complete("trace --svg la", folder), ["ladder.svg"])
            self.assertEqual(self.complete("explain la", folder), ["ladder.svg"])

    def test_no_gateway(self):
        self.assertEqual(self.complete("-s /nowhere trunks show "), [])


class Strangers(unittest.TestCase):
    def test_nothing_that_they_say_is_carried_out(self):
        """A Call-ID may have backquotes (RFC 3261 section 25.1: word), and so may a file's name."""
        calls = ["b`id>carried-out`@h", "$(id>carried-out)", "c@d", "e;id", "!!"]
        with tempfile.TemporaryDirectory() as folder:
            answer = json.dumps({"rows": [{"call-id": c, "from": ""} for c in calls]}, indent=2)
            pathlib.Path(folder, "answer").write_text(answer)
            pathlib.Path(folder, "f`id>carried-out`").touch()
            script = SCRIPT.replace("COMP_LINE=", PRETENDER, 1)
            self.assertEqual(complete("calls show ", script, folder), (["c@d"], ""))
            self.assertEqual(complete("explain f", script, folder), (["f`id>carried-out`"], ""))
            self.assertFalse(pathlib.Path(folder, "carried-out").exists())


if __name__ == "__main__":
    unittest.main()
