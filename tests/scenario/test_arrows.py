"""Which file may include which: programs -> worker -> ipc -> common, never into another program's
folder, and no circle, neither of headers nor of nouns.

A noun is a header with the source file of its name. A file that has no header of its name, as a
main.c, is only a user of others. Tables (.def) belong to who includes them.
"""
import pathlib, re, tempfile, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKERS = tuple(sorted(path.name for path in ROOT.glob("worker-*")))
PROGRAMS = ("master", "sipwardctl") + WORKERS
LAYERS = ("common", "ipc", "worker")  # each may use those before it, and every program all of them
NOUNS = LAYERS + PROGRAMS
# What the parts of one noun share belongs to it.
PARTS = {
    "ipc/mesh_carrier": "ipc/mesh",
    "worker-transport/stream_input": "worker-transport/stream",
    "worker-transport/stream_output": "worker-transport/stream",
    "worker-transport/stream_parts": "worker-transport/stream",
    "worker-transport/tls/tls_connection": "worker-transport/tls/tls",
    "worker-transport/tls/tls_peer": "worker-transport/tls/tls",
    "worker-sip/call/call_record_state": "worker-sip/call/call_record",
    "worker-sip/call/exchange_state": "worker-sip/call/exchange",
    "worker-sip/call/forwarding_state": "worker-sip/call/forwarding",
    "worker-sip/call/invite_state": "worker-sip/call/invite",
    "worker-sip/subscription/subscription_request": "worker-sip/subscription/subscription",
    "worker-sip/routing/fork_parts": "worker-sip/routing/fork",
    "worker-sip/routing/rewriting_part": "worker-sip/routing/rewriting",
    "worker-sip/routing/route_search": "worker-sip/routing/route",
    "worker-sip/routing/route_trunks": "worker-sip/routing/route",
    "worker-sip/routing/routes": "worker-sip/routing/route",
    "worker-sip/routing/target_state_parts": "worker-sip/routing/target_state",
    "worker-sip/routing/trunk_registration_state": "worker-sip/routing/trunk_registration",
    "worker-sip/transaction/machine": "worker-sip/transaction/transaction",
    "worker-sip/transaction/osip": "worker-sip/transaction/transaction",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def includes(root, folders):
    """(file, included file) for each #include "...", as paths from the root."""
    found = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*.[ch]")):
            for name in INCLUDE.findall(path.read_text()):
                beside = path.parent / name
                target = beside if beside.is_file() else root / name
                found.append((path.relative_to(root), target.resolve().relative_to(root.resolve())))
    return found


def forbidden(pairs):
    """Includes against the arrows, as texts."""
    wrong = []
    for user, used in pairs:
        a, b = user.parts[0], used.parts[0]
        if a == b:
            continue
        allowed = LAYERS[: LAYERS.index(a)] if a in LAYERS else LAYERS
        if b not in allowed:
            wrong.append(f"{user} includes {used}")
    return wrong


def noun(path):
    name = str(path.with_suffix(""))
    return PARTS.get(name, name)


def circles(root, pairs, folders=None):
    """Circles within one top-level folder, each as a text: of nouns in these folders, or of headers
    alone in all."""
    arrows = {}
    for user, used in pairs:
        if user.parts[0] not in folders if folders else user.suffix != ".h":
            continue
        a, b = noun(user), noun(used)
        if a != b and user.parts[0] == used.parts[0] and used.suffix == ".h":
            if (root / (a + ".h")).is_file():
                arrows.setdefault(a, set()).add(b)
    found, state, way = [], {}, []

    def walk(n):
        state[n] = "open"
        way.append(n)
        for m in sorted(arrows.get(n, ())):
            if state.get(m) == "open":
                found.append(" -> ".join(way[way.index(m) :] + [m]))
            elif m not in state:
                walk(m)
        way.pop()
        state[n] = "done"

    for n in sorted(arrows):
        if n not in state:
            walk(n)
    return found


class Arrows(unittest.TestCase):
    def setUp(self):
        self.pairs = includes(ROOT, LAYERS + PROGRAMS)

    def test_every_include_is_a_file_of_the_repository(self):
        self.assertGreater(len(self.pairs), 200)
        self.assertEqual([f"{u}: {f}" for u, f in self.pairs if not (ROOT / f).is_file()], [])

    def test_includes_run_one_way(self):
        self.assertEqual(forbidden(self.pairs), [])

    def test_no_circle_of_headers(self):
        self.assertEqual(circles(ROOT, self.pairs), [])

    def test_no_circle_of_nouns(self):
        self.assertEqual(circles(ROOT, self.pairs, NOUNS), [])


class TheTestItself(unittest.TestCase):
    """It finds what it looks for."""

    def tree(self, files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root, includes(root, {name.split("/")[0] for name in files})

    def test_an_include_against_an_arrow(self):
        _, pairs = self.tree(
            {
                "common/a.h": '#include "ipc/b.h"\n',
                "ipc/b.h": "",
                "master/c.h": "",
                "worker-sip/d.c": '#include "master/c.h"\n#include "ipc/b.h"\n',
            }
        )
        self.assertEqual(
            sorted(forbidden(pairs)),
            ["common/a.h includes ipc/b.h", "worker-sip/d.c includes master/c.h"],
        )

    def test_a_circle_through_source_files(self):
        root, pairs = self.tree(
            {
                "ipc/a.h": '#include "b.h"\n',
                "ipc/b.h": "",
                "ipc/b.c": '#include "b.h"\n#include "ipc/a.h"\n',
                "ipc/main.c": '#include "a.h"\n#include "b.h"\n',
            }
        )
        self.assertEqual(circles(root, pairs, NOUNS), ["ipc/a -> ipc/b -> ipc/a"])
        self.assertEqual(circles(root, pairs), [])

    def test_a_circle_of_headers(self):
        root, pairs = self.tree(
            {
                "worker-sip/a.h": '#include "call/b.h"\n',
                "worker-sip/call/b.h": '#include "c.h"\n',
                "worker-sip/call/c.h": '#include "worker-sip/a.h"\n',
            }
        )
        self.assertEqual(
            circles(root, pairs),
            ["worker-sip/a -> worker-sip/call/b -> worker-sip/call/c -> worker-sip/a"],
        )


if __name__ == "__main__":
    unittest.main()
