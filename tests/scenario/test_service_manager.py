"""What a service manager is told over NOTIFY_SOCKET (sd_notify(3)), and what it makes of it."""
import os, pathlib, signal, socket, time, unittest

from certs import Authority
from gateway import WAIT, Gateway, wait_for


class Manager:
    """The socket that a service manager would listen on."""

    def __init__(self, case, name=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(WAIT)
        case.addCleanup(self.socket.close)
        self.socket.bind(name)

    def next(self, *but):
        """The next message as a dict; those that have one of the names are passed over."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            lines = self.socket.recv(4096).decode().split("\n")
            message = dict(line.split("=", 1) for line in lines)
            if not message.keys() & set(but):
                return message
        raise AssertionError("nothing else was said")

    def silent(self):
        """Nothing but WATCHDOG waits to be read."""
        self.socket.setblocking(False)
        try:
            while True:
                said = self.socket.recv(4096).decode()
                if said != "WATCHDOG=1":
                    return False
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(WAIT)


class ServiceManager(unittest.TestCase):
    def start(self, watchdog=None, pid=None, name=None, prepare=None, **given):
        """A gateway that is told of a manager; WATCHDOG_PID, where given, is its own or not."""
        g = Gateway(start=False, **given)
        self.addCleanup(g.close)
        if prepare:
            prepare(g)
        name = name or str(g.dir / "notify")
        manager = Manager(self, "\0" + name[1:] if name.startswith("@") else name)
        variables = [f"NOTIFY_SOCKET={name}"]
        variables += [f"WATCHDOG_USEC={watchdog}"] if watchdog else []
        # exec keeps the id of the process
        own = "WATCHDOG_PID=$$" if pid == "own" else "WATCHDOG_PID=1" if pid else ""
        command = g.command()
        g.command = lambda: [
            "sh",
            "-c",
            f'{own} exec env "$@"',
            "sh",
            *variables,
            *map(str, command),
        ]
        g.launch()
        return g, manager

    def test_life(self):
        g, manager = self.start(transport=1, sip=2)
        said = manager.next()
        self.assertEqual(said["READY"], "1")
        # nothing may be asked for before READY, and all is there then
        self.assertTrue(all(r["state"] == "ready" for r in g.ctl("workers")))
        self.assertIn(" started ", g.log_text())

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        g.ctl("reload")
        said = manager.next()
        self.assertEqual(said["RELOADING"], "1")
        self.assertGreaterEqual(int(said["MONOTONIC_USEC"]), before)
        self.assertEqual(manager.next()["READY"], "1")

        g.config.write_text(g.config.read_text() + "\nnonsense\n")
        g.process.send_signal(signal.SIGHUP)
        self.assertEqual(manager.next()["RELOADING"], "1")
        self.assertEqual(manager.next()["READY"], "1")
        self.assertIn("reload-refused", g.log_text())

        self.assertTrue(manager.silent())
        g.process.send_signal(signal.SIGTERM)
        said = manager.next()
        self.assertEqual(said["STOPPING"], "1")
        self.assertGreaterEqual(int(said["EXTEND_TIMEOUT_USEC"]), 60_000_000)
        self.assertEqual(g.process.wait(WAIT), 0)
        self.assertTrue(manager.silent())

    def test_stop_grace_is_asked_for(self):
        g, manager = self.start(extra="stop-grace = 10m")
        manager.next()
        g.process.send_signal(signal.SIGTERM)
        self.assertGreaterEqual(int(manager.next()["EXTEND_TIMEOUT_USEC"]), 660_000_000)
        g.process.wait(WAIT)

    def test_reload_is_over_when_certificates_have_been_checked(self):
        def prepare(g):
            Authority(g.dir).issue("main", "DNS:sip.example.net", "P-256")
            with g.config.open("a") as f:
                f.write(
                    f'listener "tls" {{ bind = "tls:{g.ip}:5061"  zone = "access"'
                    '  certificate = "main" }\n'
                    'certificate "main" { chain = "main.pem"  key = "main.key" }\n'
                )

        g, manager = self.start(tls=1, prepare=prepare)
        self.assertEqual(manager.next()["READY"], "1")
        g.ctl("reload")
        self.assertEqual(manager.next()["RELOADING"], "1")
        self.assertEqual(manager.next()["READY"], "1")
        self.assertTrue(manager.silent())
        self.assertIn(" reloaded ", g.log_text())

    def test_watchdog(self):
        g, manager = self.start(watchdog=300_000, pid="own")
        manager.next("WATCHDOG")
        self.assertTrue(all(manager.next() == {"WATCHDOG": "1"} for _ in range(5)))
        # a loop that stands still says nothing
        os.kill(g.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, g.process.pid, signal.SIGCONT)
        wait_for(
            lambda: pathlib.Path(f"/proc/{g.process.pid}/stat").read_text().split()[2] == "T",
            "it is stopped",
        )
        self.assertTrue(manager.silent())
        manager.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            manager.socket.recv(4096)
        os.kill(g.process.pid, signal.SIGCONT)
        manager.socket.settimeout(WAIT)
        self.assertEqual(manager.next(), {"WATCHDOG": "1"})

    def test_watchdog_of_another_process(self):
        g, manager = self.start(watchdog=30_000, pid="other")
        manager.next()
        manager.socket.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            manager.socket.recv(4096)

    def test_abstract_socket(self):
        g, manager = self.start(name=f"@sipward-test-{os.getpid()}")
        self.assertEqual(manager.next()["READY"], "1")

    def test_manager_goes_away(self):
        g, manager = self.start()
        manager.next()
        manager.socket.close()
        g.ctl("reload")
        wait_for(lambda: "service-manager-away" in g.log_text(), "the line")
        self.assertEqual(g.stop()[0], 0)

    def test_workers_are_not_told_of_it(self):
        g, manager = self.start(watchdog=10_000_000)
        manager.next("WATCHDOG")
        for pid in (
            pathlib.Path(f"/proc/{g.process.pid}/task/{g.process.pid}/children").read_text().split()
        ):
            self.assertNotIn(b"NOTIFY", pathlib.Path(f"/proc/{pid}/environ").read_bytes())


if __name__ == "__main__":
    unittest.main()
