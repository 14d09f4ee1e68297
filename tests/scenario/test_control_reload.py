"""Changes of the config while calls are up, by sipwardctl and by signal."""
import json, unittest

from gateway import own_address, wait_for
from legs import NUMBER, failure_ack
from control import ControlCase
from processes import events


class Reload(ControlCase):
    def test_routes_change_with_a_call_up(self):
        g = self.start(sip=2)
        alice, bob, trunk = self.phone("alice"), self.phone("bob"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        pids = [r["pid"] for r in g.ctl("workers")]
        self.change(
            'route "out"',
            'route "no-more" { from = { "access" }  number = "^\\\\+?[0-9]{3,15}$"  action = '
            '"refuse"  status = 410 }\nroute "out"',
        )
        done = self.run_ctl("reload")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn("reloaded", done.stdout)

        def refused():
            request = self.call(alice, f"{NUMBER}@example.net")
            answer = alice.final("INVITE")
            if answer.status == 200:
                raise AssertionError("the old route")
            failure_ack(alice, request, answer)
            return answer.status == 410

        wait_for(refused, "the new route")
        # the call that is up does not notice
        self.assertEqual(self.calls_up(), 1)
        b.send("INFO")
        a.peer.answer(a.peer.request("INFO"), 200, contact=False)
        b.peer.response(200, "INFO")
        self.hang_up(a, b)
        self.assertEqual([r["pid"] for r in g.ctl("workers")], pids)
        self.assertEqual(len(g.ctl("registrations")), 2)
        self.assertEqual(g.ctl("status")["object"]["generation"], 2)

    def test_trunk_and_users_change(self):
        other = own_address()
        g = self.start(users=("alice", "bob"))
        alice, trunk, second = (
            self.phone("alice"),
            self.trunk(),
            self.trunk(ip=other, name="second"),
        )
        self.hang_up(*self.establish(alice, trunk, f"{NUMBER}@example.net"))
        self.change(f"sip:{self.trunk_ip}:5080", f"sip:{other}:5080")
        g.write_users(("alice", "carol"))
        self.assertEqual(self.run_ctl("reload").returncode, 0)
        self.hang_up(*self.establish(alice, second, f"{NUMBER}@example.net"))
        self.phone("carol")
        with self.assertRaises(AssertionError):
            self.phone("bob")

    def test_by_signal(self):
        import signal

        g = self.start()
        self.change('expires = "60s..3600s"', 'expires = "60s..100s"')
        g.process.send_signal(signal.SIGHUP)
        wait_for(lambda: events(g.log_text(), "reloaded"), "reloaded")
        self.phone("alice")
        (row,) = g.ctl("registrations")
        self.assertLessEqual(row["expires"], 100)

    def test_a_bad_file_changes_nothing(self):
        g = self.start()
        alice, trunk = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, trunk, f"{NUMBER}@example.net")
        good = g.config.read_text()
        line = next(
            i for i, text in enumerate(good.splitlines(), 1) if text.startswith('route "out"')
        )
        self.change('trunk = { "pbx" } }', 'trunk = { "bpx" } }')
        done = self.run_ctl("reload")
        self.assertEqual(done.returncode, 1)
        self.assertIn(
            f'{g.config}:{line}: route "out": trunk: there is no trunk "bpx"',
            done.stdout + done.stderr,
        )
        done = self.run_ctl("reload", json_too=True)
        self.assertEqual(done.returncode, 1)
        self.assertIs(json.loads(done.stdout)["ok"], False)
        self.assertIn("bpx", done.stdout)
        self.assertEqual(len(events(g.log_text(), "reload-refused")), 2)
        self.assertEqual(g.ctl("status")["object"]["generation"], 1)
        self.hang_up(a, b)
        self.hang_up(*self.establish(alice, trunk, f"{NUMBER}@example.net"))
        # repaired, it is taken
        g.config.write_text(good)
        self.assertEqual(self.run_ctl("reload").returncode, 0)

    def test_what_needs_a_restart_is_refused_by_name(self):
        g = self.start()
        good = g.config.read_text()
        for old, new, says in (
            (
                f'bind = "udp:{g.ip}:5060"  zone = "access"',
                f'bind = "udp:{g.ip}:5060"  zone = "core"',
                'listener "udp" cannot move from zone "access" to "core"',
            ),
            (
                f'state-directory = "{g.dir}/state"',
                f'state-directory = "{g.dir}/elsewhere"',
                'option "state-directory" cannot change',
            ),
        ):
            with self.subTest(says):
                self.change(old, new)
                done = self.run_ctl("reload")
                self.assertEqual(done.returncode, 1)
                self.assertIn(says, done.stdout + done.stderr)
                self.assertIn("restart", done.stdout + done.stderr)
                g.config.write_text(good)
        self.assertEqual(g.ctl("status")["object"]["generation"], 1)
        self.phone("alice")


if __name__ == "__main__":
    unittest.main()
