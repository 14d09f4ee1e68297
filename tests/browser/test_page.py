"""The page of sipward-web in a headless Chromium: what it shows, and that its policy lets it work.

SIPWARD_PICTURE=FILE keeps a picture of it.
"""
import os, pathlib, re, subprocess, sys, tempfile, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))
from legs import NUMBER, SDP, CallCase, Dialog
from gateway import own_address, wait_for

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
PORT = 9062
# The page's own clock runs ahead until so much of it has passed; it asks for the state at once.
PAGE_MS = 1500


class Page(CallCase):
    def chromium(self, *what, at=""):
        folder = tempfile.TemporaryDirectory(prefix="sipward-page-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        return subprocess.run(
            [
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                f"--user-data-dir={folder.name}",
                f"--virtual-time-budget={PAGE_MS}",
                "--window-size=1250,1640",
                "--enable-logging=stderr",
                *what,
                f"http://127.0.0.1:{PORT}/{at}",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )

    def failed_over(self, alice, first, second):
        """A call whose first target refuses it, and whose second one takes it."""
        request = self.call(alice, f"{NUMBER}@example.net")
        first.answer(first.request("INVITE"), 503, "Service Unavailable", contact=False)
        first.request("ACK")
        invite = second.request("INVITE")
        tag = second.answer(invite, 200, body=SDP)
        a = Dialog.of_answer(alice, request, alice.response(200, "INVITE"))
        a.ack()
        second.request("ACK")
        self.hang_up(a, Dialog.of_request(second, invite, tag))
        return request.get("Call-ID")

    def test_page(self):
        ips = [own_address() for _ in range(2)]
        self.start(
            extra=f'web {{ bind = "tcp:127.0.0.1:{PORT}" }}',
            sip=2,
            targets=[f"sip:{ip}:5080" for ip in ips],
        )
        alice, (first, second) = self.phone("alice"), (self.trunk(ip=ip) for ip in ips)
        call = self.failed_over(alice, first, second)
        a, b = self.establish(alice, second, f"{NUMBER}@example.net")
        done = wait_for(
            lambda: "</td>" in (d := self.chromium("--dump-dom", at=f"#call={call}")).stdout and d,
            "the page's tables",
        )
        self.assertNotRegex(done.stderr, r"Content.Security.Policy|Uncaught")
        text = re.sub(
            r"<[^>]+>", " ", done.stdout[done.stdout.index("<main") :].split("<script")[0]
        )
        for word in (
            "Trunks",
            "pbx",
            "down: answered 503",
            "Last calls",
            "answered 200",
            "Calls",
            NUMBER,
            "Registrations",
            "alice",
            "web-0",
            "closed",
        ):
            self.assertIn(word, text)
        self.assertRegex(done.stdout, r'id="state" class="up">running<')
        self.assertIn(f'src="ladder.svg?call={call}&amp;try=0"', done.stdout)
        self.assertNotIn('<p class="note">Nothing is kept', done.stdout)
        picture = os.environ.get("SIPWARD_PICTURE")
        if picture:
            self.chromium(f"--screenshot={picture}", at=f"#call={call}")
        self.hang_up(a, b)
        self.no_calls()


if __name__ == "__main__":
    unittest.main()
