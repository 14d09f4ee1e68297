"""Bans: what counts towards one, who never is, and what lifts one: an operator, or the config."""
import os, pathlib, re, signal, socket

from gateway import WAIT, wait_for
from legs import CallCase
from peers import digest

ROOT = pathlib.Path(__file__).resolve().parents[2]
URI = "sip:bob@example.net"
RULE = 'ban = "2 failures in 60s for 15m"'


class Bans(CallCase):
    def guess(self, phone, *users):
        """An attempt with a wrong password for each of these names."""
        words = {"sender": f"{phone.user}@example.net", "to": "x@example.net"}
        for n, user in enumerate(users):
            call = {"call_id": f"{phone.user}-{self.failed()}-{n}"}
            phone.received.clear()
            phone.send_raw(phone.make("MESSAGE", URI, **words, **call))
            challenge = phone.final("MESSAGE").all("Proxy-Authenticate")[0]
            failed = self.failed()
            header = "Proxy-Authorization: " + digest(challenge, "MESSAGE", URI, user, "wrong")
            raw = phone.make("MESSAGE", URI, cseq=2, headers=[header], **words, **call)
            phone.send_raw(raw)
            phone.final("MESSAGE")
            wait_for(lambda: self.failed() > failed, "a failed attempt")

    def failed(self):
        return self.gateway.counters().get("auth_penalties", 0)

    def heard(self, phone):
        phone.received.clear()
        phone.send_raw(phone.make("MESSAGE", URI, sender=f"{phone.user}@example.net"))
        return phone.final("MESSAGE").status

    def not_heard(self, phone):
        dropped = self.gateway.counters().get("drop_banned", 0)
        phone.send_raw(phone.make("MESSAGE", URI, sender=f"{phone.user}@example.net"))
        self.counted("drop_banned", dropped + 1)
        phone.silence(0.1)

    def put(self, text):
        self.gateway.config.write_text(text)
        answer = self.gateway.ctl("reload", check=False)
        self.assertEqual(answer.get("ok"), True, answer)

    def address(self, phone):
        return phone.sock.getsockname()[0]

    def banned(self):
        return {r["source"]: r for r in self.gateway.ctl("bans", "list")}

    def test_one_phone_with_an_old_password_bans_nobody(self):
        self.start(access=RULE)
        alice = self.phone("alice", register=False)
        self.guess(alice, *["alice"] * 9)
        self.assertEqual(self.heard(alice), 407)
        self.assertEqual(self.gateway.counters()["ban_attempts_alike"], 8)
        # one that tries other names is none
        self.guess(alice, "bob")
        self.counted("bans_made")
        self.not_heard(alice)

    def journal_message(self, line):
        """What MESSAGE says where log-format is journald: time and level have fields."""
        return line.split(" ", 2)[2]

    def test_the_line_for_fail2ban(self):
        self.start(access=RULE)
        alice = self.phone("alice", register=False)
        text = (ROOT / "deploy/fail2ban/filter.d/sipward.conf").read_text()
        (pattern,) = re.findall(r"^failregex = (.*)$", text, re.M)
        pattern = pattern.replace("<ADDR>", "(?P<host>[0-9a-fA-F.:]+)")
        forged = "x warn transport/0 banned source=192.0.2.9 zone=access for=9s"

        def found(line):
            return [m.group("host") for m in [re.search(pattern, line)] if m]

        self.guess(alice, forged)
        wait_for(lambda: forged in self.gateway.log_text(), "a line with the name")
        for line in self.gateway.log_text().splitlines():
            self.assertEqual(found(line), [], line)
            self.assertEqual(found(self.journal_message(line)), [], line)
        self.guess(alice, "bob")
        self.counted("bans_made")
        lines = self.gateway.log_text().splitlines()
        self.assertEqual(sum((found(line) for line in lines), []), [self.address(alice)])
        # as the journal has it, and as fail2ban does that has taken the time off
        (line,) = [line for line in lines if found(line)]
        self.assertEqual(found(f" edge sipward[12]: {line}"), [self.address(alice)])
        self.assertEqual(found(line.split("Z", 1)[1]), [self.address(alice)])
        message = self.journal_message(line)
        self.assertEqual(found(f"edge sipward[12]: {message}"), [self.address(alice)])

    def test_lifted_with_the_rule(self):
        g = self.start(access=RULE, transport=2)
        alice = self.phone("alice", register=False)
        before = g.config.read_text()
        self.guess(alice, "one", "two")
        self.not_heard(alice)
        self.put(before.replace("auth = digest", "auth = digest  rate = off"))
        self.not_heard(alice)
        self.put(before.replace("2 failures", "3 failures"))
        self.assertEqual(self.heard(alice), 407)
        self.assertEqual(self.banned(), {})
        # by a rule that is gone, and by never-ban
        for text in (
            before.replace(RULE, "ban = off"),
            before.replace(RULE, f'{RULE} never-ban = "{self.address(alice)}"'),
        ):
            self.put(before)
            self.guess(alice, "one", "two")
            self.not_heard(alice)
            self.put(text)
            self.assertEqual(self.heard(alice), 407)
        self.guess(alice, "one", "two", "three")
        self.counted("bans_spared", 3)
        self.assertEqual(self.heard(alice), 407)

    def test_denied_by_the_config(self):
        """A reload begins and ends it, for datagrams, new connections and those that stand."""
        g = self.start(access=RULE)
        alice, bob = self.phone("alice", register=False), self.phone("bob", "TCP")
        before = g.config.read_text()
        denied = f'"{self.address(alice)}", "{self.address(bob)}"'
        self.put(before.replace(RULE, f"{RULE} deny = {{ {denied} }}"))
        with self.assertRaises((ConnectionError, AssertionError)) as closed:
            bob.receive(lambda m: False)
        self.assertIsInstance(closed.exception, ConnectionError)
        self.counted("drop_denied", 1)
        alice.send_raw(alice.make("MESSAGE", URI, sender="alice@example.net"))
        self.counted("drop_denied", 2)
        alice.silence(0.1)
        with socket.create_connection((g.ip, 5060), source_address=(self.address(bob), 0)) as new:
            new.settimeout(WAIT)
            try:
                self.assertEqual(new.recv(1), b"")
            except ConnectionResetError:
                pass
        self.counted("drop_denied", 3)
        self.put(before)
        self.assertEqual(self.heard(alice), 407)

    def test_listed_and_lifted(self):
        g = self.start(access=RULE, transport=2)
        alice, bob = (self.phone(u, register=False) for u in ("alice", "bob"))
        for phone in (alice, bob):
            self.guess(phone, "one", "two")
            self.not_heard(phone)
        rows = self.banned()
        self.assertEqual(set(rows), {self.address(alice), self.address(bob)})
        row = rows[self.address(alice)]
        self.assertEqual((row["zone"], row["by"]), ("access", "rule"))
        self.assertTrue(890 <= row["left_s"] <= 900, row)
        answer = g.ctl("bans", "lift", self.address(alice))["object"]
        self.assertEqual(answer["lifted"], 1)
        self.assertEqual(self.heard(alice), 407)
        self.not_heard(bob)
        again = g.ctl("bans", "lift", self.address(alice), check=False)
        self.assertIn("there is no ban", again["error"])
        self.assertEqual(g.ctl("bans", "lift", "all")["object"]["lifted"], 1)
        self.assertEqual(self.heard(bob), 407)

    def test_scanners(self):
        """By the usual list, and by one of the config's."""
        g = self.start()
        alice = self.phone("alice", register=False)

        def asks(agent, **words):
            return alice.make("OPTIONS", URI, headers=[f"User-Agent: {agent}"], **words)

        alice.send_raw(asks("friendly-scanner"))
        alice.send_raw(asks("x", sender="100@1.1.1.1"))
        self.counted("drop_scanner", 2)
        alice.silence(0.1)
        self.assertIn('reason="a scanner"', g.log_text())
        self.put("limits { scanners = Nosy }\n" + g.config.read_text())
        alice.send_raw(asks("very NOSY 1.0"))
        self.counted("drop_scanner", 3)
        alice.send_raw(asks("friendly-scanner"))
        self.assertEqual(alice.final("OPTIONS").status, 407)

    def test_an_operator_bans(self):
        self.kills = True
        g = self.start(
            access='never-ban = "192.0.2.0/24"', extra='limits { never-ban = "192.0.3.7" }'
        )
        alice = self.phone("alice")
        tcp = self.phone("bob", transport="TCP")
        for phone in (alice, tcp):
            g.ctl("bans", "add", self.address(phone))
        self.not_heard(alice)
        self.counted("stream_banned")
        row = self.banned()[self.address(alice)]
        self.assertEqual((row["by"], row["left_s"], row["zone"]), ("operator", None, None))
        # a transport worker's next life knows it as well
        (worker,) = g.workers("transport")
        os.kill(worker["pid"], signal.SIGKILL)
        g.successor(worker)
        self.not_heard(alice)
        # a reload takes nothing of it back
        self.put(g.config.read_text())
        self.not_heard(alice)
        g.ctl("bans", "lift", self.address(alice))
        self.assertEqual(self.heard(alice), 407)
        # for a time, and over as much as is meant
        g.ctl("bans", "add", "10.0.0.0/8", "15m")
        self.assertTrue(890 <= self.banned()["10.0.0.0/8"]["left_s"] <= 900)
        g.ctl("bans", "add", "10.0.0.0/8", "1s")
        wait_for(lambda: "10.0.0.0/8" not in self.banned(), "the end of a ban")
        for words, error in (
            (("0.0.0.0/0",), "at least /8"),
            (("example.net",), "expected an address"),
            (("10.0.0.1/8",), "expected an address"),
            (("10.0.0.1", "soon"), "expected a time"),
            (("192.0.2.5",), "never-ban of access"),
            (("192.0.3.7",), "never-ban of limits"),
        ):
            answer = g.ctl("bans", "add", *words, check=False)
            self.assertIn(error, answer["error"], words)
