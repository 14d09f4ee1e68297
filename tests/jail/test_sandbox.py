"""The jails of a running gateway: what they prevent, that live workers stand in them, and what
happens to a worker that tries."""
import ctypes, json, os, platform, pwd, re, shutil, subprocess, unittest

from gateway import BUILD, WAIT, Gateway, own_address, wait_for
from peers import Phone
from processes import SANITIZED, status

ROOT = os.geteuid() == 0
ROLES = ("transport", "sip", "tls")
# Each role may do this by design; everything else has to be refused.
PERMITTED = {
    ("socket: stream of IPv4 or IPv6", "transport"),
    ("connect out over TCP", "transport"),
    # the key edge, and datagrams with the address that they were sent to
    ("receive an fd from another than the master", "transport"),
    ("receive an fd from another than the master", "tls"),
}
# and where ZeroMQ joins the workers: libzmq makes its connections
PERMITTED_ZEROMQ = {("socket: stream of Unix", "transport"), ("socket: stream of Unix", "sip")}
# Errors that tell that an act is not possible. A kernel without a gate for programs of another
# architecture prevents that by having none.
PREVENTED = r"(all \d+ )?(refused|ended by seccomp)(: \w+)?$"
GATE = "a system call of another architecture"
CAN_TRACE = ROOT and platform.machine() == "x86_64" and "SIPWARD_UNDER" not in os.environ
# The kernel gives an ordinary user no namespaces inside a chroot, and some distributions nowhere.
NAMESPACES = (
    subprocess.run(
        ["unshare", "--user", "true"],
        stderr=subprocess.DEVNULL,
        **({"user": "nobody", "extra_groups": []} if ROOT else {}),
    ).returncode
    == 0
)
# harmless, and no worker may make it; its 0 is no event to the call that it takes the place of
SCHED_YIELD = 24


class Ordinary(Gateway):
    """A gateway started by a user without any privilege."""

    def launch(self):
        user = pwd.getpwnam("nobody")
        # where the build is, perhaps in somebody's home, this user may not look
        programs = self.dir / "bin"
        if not programs.exists():
            shutil.copytree(self.bin, programs)
        for path in (self.dir, *self.dir.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            [programs / "sipward", "-c", self.config],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )


class Registers(ctypes.Structure):
    _fields_ = [
        (n, ctypes.c_ulonglong)
        for n in (
            "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags "
            "rsp ss fs_base gs_base ds es fs gs"
        ).split()
    ]


def make_call(pid, number):
    """Has a process that sleeps in a system call make another one, as if it had been taken over."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def ptrace(what, data=None):
        if libc.ptrace(what, pid, None, data) < 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    ptrace(16)  # attach
    os.waitpid(pid, 0)
    r = Registers()
    ptrace(12, ctypes.cast(ctypes.pointer(r), ctypes.c_void_p))
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        memory.seek(r.rip - 2)
        assert memory.read(2) == b"\x0f\x05", "not in a system call"
    r.rip -= 2
    r.rax, r.orig_rax = number, ctypes.c_ulonglong(-1).value
    ptrace(13, ctypes.cast(ctypes.pointer(r), ctypes.c_void_p))
    ptrace(17)  # detach


@unittest.skipIf(SANITIZED, "such a build has no whole jail")
class Jail(unittest.TestCase):
    def setUp(self):
        """Whatever all gateways of this run are told: here each test says how jails are."""
        extra = os.environ.pop("SIPWARD_EXTRA", None)
        if extra is not None:
            self.addCleanup(os.environ.__setitem__, "SIPWARD_EXTRA", extra)

    def gateway(self, kind=Gateway, **words):
        g = kind(**words)
        self.addCleanup(g.close)
        return g

    def verify(self, g):
        done = g.run_ctl("--json", "sandbox", "verify", timeout=170)
        rows = json.loads(done.stdout)["rows"]
        return (
            done.returncode,
            [r for r in rows if not r["act"].startswith("jail of")],
            {r["act"].split()[-1]: r for r in rows if r["act"].startswith("jail of")},
        )

    def assert_holds(self, g, roles=ROLES):
        code, acts, live = self.verify(g)
        permitted = PERMITTED | (PERMITTED_ZEROMQ if g.carrier() == "zeromq" else set())
        self.assertGreater(len(acts), 35)
        for row in acts:
            self.assertEqual(set(row), {"act", *roles})
            for role in roles:
                want = r"permitted$" if (row["act"], role) in permitted else PREVENTED
                if row["act"] == GATE:
                    want = rf"{PREVENTED}|no such gate$"
                self.assertRegex(row[role], want, row["act"])
        for name, row in live.items():
            self.assertEqual(row[name.split("-")[0]], "same", name)
        self.assertEqual(set(live), {r["worker"] for r in g.ctl("workers")})
        self.assertEqual(code, 0)

    def assert_serves(self, g):
        phone = Phone(g, "alice")
        self.addCleanup(phone.close)
        self.assertEqual(phone.register().status, 200)

    def respawned(self, g, role, pid):
        return wait_for(
            lambda: [r for r in g.workers(role) if r["state"] == "ready" and r["pid"] != pid],
            f"another {role} worker",
        )[0]

    @unittest.skipUnless(ROOT, "needs root")
    def test_as_root(self):
        g = self.gateway(transport=2, sip=2, tls=1)
        self.assertEqual({r["jail"] for r in g.ctl("workers")}, {"closed"})
        self.assert_holds(g)
        self.assert_serves(g)

    def test_on_a_kernel_without_a_gate(self):
        """An act that the kernel does not have is prevented, and the table says why."""
        g = self.gateway(bin=BUILD / "no-gate/bin")
        code, acts, _ = self.verify(g)
        rows = [row for row in acts if row["act"] == GATE]
        self.assertEqual(rows, [{"act": GATE, "transport": "no such gate", "sip": "no such gate"}])
        self.assertEqual(code, 0 if ROOT or NAMESPACES else 1)

    @unittest.skipUnless(ROOT, "needs root")
    def test_of_the_master(self):
        """It keeps what workers and reloads take, and nothing else."""
        g = self.gateway()
        s = status(g.process.pid)
        kept = {
            "CHOWN": 0,
            "DAC_OVERRIDE": 1,
            "FOWNER": 3,
            "KILL": 5,
            "SETGID": 6,
            "SETUID": 7,
            "SETPCAP": 8,
            "NET_BIND_SERVICE": 10,
            "IPC_LOCK": 14,
            "SYS_CHROOT": 18,
            "SYS_PTRACE": 19,
            "SYS_ADMIN": 21,
        }
        for field in ("CapEff", "CapPrm", "CapBnd"):
            self.assertEqual(int(s[field], 16) & ~sum(1 << bit for bit in kept.values()), 0, field)
        self.assertEqual((s["NoNewPrivs"], s["Seccomp"], s["Seccomp_filters"]), ("1", "2", "1"))

    def test_as_an_ordinary_user(self):
        g = self.gateway(Ordinary if ROOT else Gateway, transport=1, sip=2, tls=1)
        self.assertEqual(
            {r["jail"] for r in g.ctl("workers")},
            {
                "no identity"
                if NAMESPACES
                else "no namespaces, no root, no identity, no capabilities"
            },
        )
        self.assertEqual(
            len(
                re.findall(
                    'jail-step-missing role=\\w+ step=identity error="Operation not permitted"',
                    g.log_text(),
                )
            ),
            3,
            "each role's once",
        )
        if NAMESPACES:
            self.assert_holds(g)
        self.assert_serves(g)

    def test_of_a_small_gateway_that_only_logs(self):
        """The probes are never in a weaker jail; that of the live workers is said to be one, until
        a reload has it enforced."""
        g = self.gateway(transport=1, sip=1, tls=0, extra="jail = log")
        self.assertEqual(g.ctl("status")["object"]["jail"], "log")
        code, _, live = self.verify(g)
        self.assertEqual(code, 1)
        for name, row in live.items():
            self.assertEqual(row[name.split("-")[0]], "NOT ENFORCED: jail = log")
        g.config.write_text(g.config.read_text().replace("jail = log", "jail = enforce"))
        g.ctl("reload")
        self.assertEqual(g.ctl("status")["object"]["jail"], "enforce")
        self.assert_holds(g, ("transport", "sip"))

    def test_after_workers_have_left(self):
        g = self.gateway(transport=2, sip=2, tls=0)
        text = g.config.read_text()
        g.config.write_text(re.sub(r"(transport|sip) = 2", r"\1 = 1", text))
        g.ctl("reload")
        wait_for(lambda: len(g.ctl("workers")) == 2, "those of index 1 to leave")
        self.assertEqual(set(self.verify(g)[2]), {"transport-0", "sip-0"})
        if NAMESPACES:
            self.assert_holds(g, ("transport", "sip"))

    def test_twice_at_once(self):
        g = self.gateway()
        first = subprocess.Popen(
            g.command_of("--json", "sandbox", "verify"), stdout=subprocess.PIPE
        )
        wait_for(lambda: "sandbox-verify" in g.log_text(), "begun")
        self.assertIn("under way", g.ctl("sandbox", "verify", check=False)["error"])
        first.communicate(timeout=170)
        self.assertEqual(first.returncode, 0)

    def test_stopped_meanwhile(self):
        g = self.gateway()
        asking = subprocess.Popen(
            g.command_of("--json", "sandbox", "verify"), stdout=subprocess.PIPE
        )
        wait_for(lambda: "sandbox-verify" in g.log_text(), "begun")
        code, _, left = g.stop()
        self.assertEqual((code, left), (0, []))
        asking.communicate(timeout=WAIT)
        self.assertNotEqual(asking.returncode, 0)

    @unittest.skipUnless(ROOT, "needs root")
    def test_a_live_worker_that_differs(self):
        g = self.gateway(sip=2)
        pid = [r["pid"] for r in g.workers("sip") if r["worker"] == "sip-1"][0]
        uid, gid = (int(status(pid)[field].split()[0]) for field in ("Uid", "Gid"))
        subprocess.run(
            ["prlimit", "--pid", str(pid), "--nofile=900:900"],
            check=True,
            user=uid,
            group=gid,
            extra_groups=[],
        )
        code, _, live = self.verify(g)
        self.assertEqual(code, 1)
        self.assertEqual(live["sip-0"]["sip"], "same")
        self.assertRegex(live["sip-1"]["sip"], "Max open files 900")

    @unittest.skipUnless(CAN_TRACE, "needs root, registers that it knows, and no other tracer")
    def test_a_worker_that_tries_is_killed_and_replaced(self):
        g = self.gateway(tls=1)
        g.violations = True
        for role in ROLES:
            pid = g.workers(role)[0]["pid"]
            make_call(pid, SCHED_YIELD)
            wait_for(
                lambda: re.search(
                    rf"jail-violation peer={role}-0 pid={pid} syscall=sched_yield number=24 "
                    rf"thread={pid} args=0x",
                    g.log_text(),
                ),
                "the log line",
            )
            after = self.respawned(g, role, pid)
            self.assertEqual((after["last_end"], after["deaths"]), ("signal 9 (KILL)", 1))
            self.assertRegex(
                g.log_text(), f"worker-died peer={role}-0 pid={pid} .*killed=jail-violation"
            )
        self.assertEqual(g.counters()["jail_violations"], 3)
        self.assert_serves(g)

    def test_web(self):
        """The worker that is there where the config asks for it."""
        bind = f"tcp:{own_address()}:9069"  # the two carriers' tests run at once
        g = self.gateway(tls=1, extra=f'web {{ bind = "{bind}" }}')
        self.assert_holds(g, (*ROLES, "web"))

    @unittest.skipUnless(CAN_TRACE, "needs root, registers that it knows, and no other tracer")
    def test_only_logging(self):
        g = self.gateway(extra="jail = log")
        g.violations = True
        pid = g.workers("sip")[0]["pid"]
        make_call(pid, SCHED_YIELD)
        wait_for(
            lambda: re.search(
                rf"jail-violation peer=sip-0 pid={pid} syscall=sched_yield .* allowed=log",
                g.log_text(),
            ),
            "the log line",
        )
        self.assert_serves(g)
        self.assertEqual(g.workers("sip")[0]["pid"], pid)

    @unittest.skipUnless(CAN_TRACE, "needs root, registers that it knows, and no other tracer")
    def test_a_reload_changes_the_jails_of_live_workers(self):
        g = self.gateway(extra="jail = log")
        g.violations = True
        pid = g.workers("sip")[0]["pid"]
        make_call(pid, SCHED_YIELD)
        wait_for(lambda: "allowed=log" in g.log_text(), "the log line")
        g.config.write_text(g.config.read_text().replace("jail = log", "jail = enforce"))
        g.ctl("reload")
        self.assertEqual(g.workers("sip")[0]["pid"], pid)
        make_call(pid, SCHED_YIELD)
        after = self.respawned(g, "sip", pid)
        self.assertRegex(g.log_text(), f"worker-died peer=sip-0 pid={pid} .*killed=jail-violation")
        g.config.write_text(g.config.read_text().replace("jail = enforce", "jail = log"))
        g.ctl("reload")
        self.assertEqual(g.ctl("status")["object"]["jail"], "log")
        self.assertRegex(g.workers("sip")[0]["jail"], ", only logs$")
        make_call(after["pid"], SCHED_YIELD)
        wait_for(
            lambda: re.search(
                rf"jail-violation peer=sip-0 pid={after['pid']} .* allowed=log", g.log_text()
            ),
            "the log line of the next life",
        )
        self.assertEqual(g.workers("sip")[0]["pid"], after["pid"])

    @unittest.skipUnless(ROOT, "needs root")
    def test_a_reload_cannot_require_what_live_workers_lack(self):
        g = self.gateway(Ordinary, extra="require-jail = no")
        g.config.write_text(g.config.read_text().replace("require-jail = no", "require-jail = yes"))
        answer = g.ctl("reload", check=False)
        self.assertIn("nothing was changed", answer["error"])
        self.assertRegex(
            str(answer), "require-jail = yes does not hold for sip-0, whose jail lacks the step"
        )

    def test_required(self):
        g = (
            Ordinary(extra="require-jail = yes", start=False)
            if ROOT
            else Gateway(extra="require-jail = yes", start=False)
        )
        self.addCleanup(g.close)
        g.launch()
        self.assertNotEqual(g.process.wait(WAIT), 0)
        self.assertRegex(
            g.log_text(),
            r"require-jail = yes, but a \w+ worker cannot take the step "
            + ('"identity"' if NAMESPACES else '"namespaces"'),
        )
        if ROOT:
            whole = self.gateway(extra="require-jail = yes")
            self.assert_serves(whole)


if __name__ == "__main__":
    unittest.main()
