"""The page of sipward-web in a headless Chromium: what it shows, and that its policy lets it work.

SIPWARD_PICTURE=FILE keeps a picture of it.
"""
import os, pathlib, re, subprocess, sys, tempfile, unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scenario"))
from legs import NUMBER, CallCase
from gateway import wait_for

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
PORT = 9062
# The page's own clock runs ahead until so much of it has passed; it asks for the state at once.
PAGE_MS = 1500


class Page(CallCase):
    def chromium(self, *what):
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
                "--window-size=1250,1000",
                "--enable-logging=stderr",
                *what,
                f"http://127.0.0.1:{PORT}/",
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )

    def test_page(self):
        self.start(extra=f'web {{ bind = "tcp:127.0.0.1:{PORT}" }}', sip=2)
        alice, carrier = self.phone("alice"), self.trunk()
        a, b = self.establish(alice, carrier, f"{NUMBER}@example.net")
        done = wait_for(
            lambda: "</td>" in (d := self.chromium("--dump-dom")).stdout and d, "the page's tables"
        )
        self.assertNotRegex(done.stderr, r"Content.Security.Policy|Uncaught")
        text = re.sub(
            r"<[^>]+>", " ", done.stdout[done.stdout.index("<main") :].split("<script")[0]
        )
        for word in ("Trunks", "pbx", "Calls", NUMBER, "Registrations", "alice", "web-0", "closed"):
            self.assertIn(word, text)
        self.assertRegex(done.stdout, r'id="state" class="up">running<')
        picture = os.environ.get("SIPWARD_PICTURE")
        if picture:
            self.chromium(f"--screenshot={picture}")
        self.hang_up(a, b)
        self.no_calls()


if __name__ == "__main__":
    unittest.main()
