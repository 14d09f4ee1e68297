"""Users by sipwardctl, with a gateway and without, and by hand."""
import subprocess, unittest

from gateway import BIN, CONFIG, WAIT, own_address, wait_for
from peers import Phone
from control import ControlCase
from processes import events


class Users(ControlCase):
    def test_add_and_remove(self):
        g = self.start()
        with self.assertRaises(AssertionError):
            self.registers("dora", "dora-secret")
        done = self.run_ctl(
            "--password-stdin", "user", "add", "dora@example.net", stdin="dora-secret\n"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("added", done.stdout)
        lines = [
            line for line in (g.dir / "users").read_text().splitlines() if line.startswith("dora:")
        ]
        self.assertEqual(sorted(line.split(":")[2] for line in lines), ["MD5", "SHA-256"])
        self.assertNotIn("dora-secret", (g.dir / "users").read_text())
        for index in (0, 1):  # either of the algorithms offered
            self.registers("dora", "dora-secret", index)
        # another password
        done = self.run_ctl("user", "add", "dora@example.net", "--password-stdin", stdin="other\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("changed", done.stdout)
        self.registers("dora", "other")
        with self.assertRaises(AssertionError):
            self.registers("dora", "dora-secret")
        done = self.run_ctl("user", "remove", "dora@example.net")
        self.assertEqual((done.returncode, "removed" in done.stdout), (0, True))
        with self.assertRaises(AssertionError):
            self.registers("dora", "other")
        self.assertNotIn("dora", (g.dir / "users").read_text())
        self.registers("alice", "alice-secret")
        self.assertEqual(len(events(g.log_text(), "control-command")), 3)
        self.assertNotIn("secret", g.log_text())

    def test_forwards_go_with_their_user(self):
        """Who gets the name later has not set them."""
        g = self.start()
        g.ctl("forward", "set", "bob@example.net", "always", "alice")
        g.ctl("forward", "set", "alice@example.net", "busy", "bob")
        self.assertEqual(self.run_ctl("user", "remove", "bob@example.net").returncode, 0)
        self.assertEqual([r["user"] for r in g.ctl("forward", "list")], ["alice"])
        self.assertNotIn("bob\t", (g.dir / "state/forwards").read_text())

    def test_add_with_sha_512_256(self):
        g = self.start(
            users=(),
            config=CONFIG.replace('"SHA-256", "MD5"', '"SHA-512-256", "SHA-256", "MD5"'),
        )
        done = self.run_ctl(
            "--password-stdin", "user", "add", "dora@example.net", stdin="dora-secret\n"
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        text = (g.dir / "users").read_text()
        self.assertIn("dora:example.net:SHA-512-256:", text)
        for index in (0, 1, 2):
            self.registers("dora", "dora-secret", index)

    def registers(self, user, password, challenge_index=0):
        phone = self.keep(Phone(self.gateway, user, ip=own_address()))
        phone.password = password
        answer, _ = phone.challenged(
            "REGISTER",
            "sip:example.net",
            challenge_index,
            to=f"{user}@example.net",
            headers=["Expires: 600"],
        )
        self.assertEqual((answer or phone.final("REGISTER")).status, 200)

    def test_refused(self):
        g = self.start()
        before = (g.dir / "users").read_text()
        for name in (
            "dora@example.com",
            "do:ra@example.net",
            "@example.net",
            "x" * 300 + "@example.net",
        ):
            with self.subTest(name):
                done = self.run_ctl("--password-stdin", "user", "add", name, stdin="x\n")
                self.assertIn(done.returncode, (1, 2), done.stdout)
                self.assertTrue(done.stderr + done.stdout)
        done = self.run_ctl("--password-stdin", "user", "add", "dora@example.net", stdin="")
        self.assertEqual(done.returncode, 1, "an empty password is none")
        self.assertEqual((g.dir / "users").read_text(), before)

    def test_without_a_gateway(self):
        """Users for a gateway that does not run yet."""
        g = self.start()
        g.stop()
        file = g.dir / "users"

        def run(*words, stdin=""):
            return subprocess.run(
                [BIN / "sipwardctl", "-f", file, *words],
                capture_output=True,
                text=True,
                timeout=WAIT,
                input=stdin,
            )

        self.assertEqual(
            run(
                "--password-stdin", "user", "add", "eve@example.net", stdin="eve-secret\n"
            ).returncode,
            0,
        )
        self.assertIn("eve", run("user", "list").stdout)
        self.assertEqual(run("user", "remove", "alice@example.net").returncode, 0)
        self.assertEqual(run("user", "remove", "alice@example.net").returncode, 1)
        g.start()
        self.registers("eve", "eve-secret")
        with self.assertRaises(AssertionError):
            self.registers("alice", "alice-secret")

    def test_file_edited_by_hand(self):
        """A change is noticed by itself, in place or by another file of the name."""
        g = self.start(users=("alice",))
        self.registers("alice", "alice-secret")
        g.write_users(("alice", "bob"))
        wait_for(lambda: len(events(g.log_text(), "users-reloaded")) == 1, "the new file noticed")
        self.registers("bob", "bob-secret")
        lines = [
            line for line in (g.dir / "users").read_text().splitlines() if line.startswith("bob:")
        ]
        (g.dir / "users").write_text("\n".join(lines) + "\n")
        wait_for(
            lambda: len(events(g.log_text(), "users-reloaded")) == 2, "the edited file noticed"
        )
        self.registers("bob", "bob-secret")
        with self.assertRaises(AssertionError):
            self.registers("alice", "alice-secret")
        # a mistake in it changes nothing, and is said with its line
        (g.dir / "users").write_text("\n".join(lines) + "\nrubbish\n")
        ((_, line),) = wait_for(
            lambda: events(g.log_text(), "users-refused"), "the mistake noticed"
        )
        self.assertRegex(line["error"], rf"{g.dir}/users:3: ")
        self.registers("bob", "bob-secret")


if __name__ == "__main__":
    unittest.main()
