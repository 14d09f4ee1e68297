"""Every answer of sipwardctl has --json: each command of its table, right and wrong."""
import json, unittest

from control import ControlCase

# An argument of each kind that commands have, which names what is there or might be.
VALUES = {
    "USER": "alice@example.net",
    "NAME@DOMAIN": "dave@example.net",
    "DOMAIN": "example.net",
    "TRUNK": "pbx",
    "ZONE": "access",
    "SOURCE": "192.0.2.1",
    "ADDRESS": "192.0.2.1",
    "SECONDS": "1",
    "NUMBER": "1",
    "TIME": "1m",
    "LEVEL": "info",
    "SWITCH": "list",
    "FILTER": "all",
    "SINCE": "0",
    "TRANSPORT": "udp",
    "LISTENER": "udp",
}
# They take their time, and other tests run them.
LONG = {"sandbox verify"}
REQUEST = "OPTIONS sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKj\r\n\r\n"


class Json(ControlCase):
    def answer(self, *words, **more):
        """The one object that is printed, and nothing else."""
        done = self.run_ctl(*words, json_too=True, **more)
        self.assertEqual(done.stderr, "", words)
        answer = json.loads(done.stdout)
        self.assertIsInstance(answer, dict, words)
        self.assertIs(answer["ok"], done.returncode == 0, words)
        if not answer["ok"]:
            self.assertTrue(answer.get("error") or answer.get("errors"), words)
        return done.returncode, answer

    def arguments(self, spec, files):
        """Words for all arguments of a command, each with a value of its kind."""
        words = []
        for word in spec.replace("[", " [ ").replace("]", " ] ").split():
            if word.startswith("--"):
                words.append([word])
            elif word not in "[]":
                value = str(files / "written") if word == "FILE" else VALUES.get(word, "x")
                if words and len(words[-1]) == 1 and words[-1][0].startswith("--"):
                    words[-1].append(value)
                else:
                    words.append([value])
        return words

    def test_all_commands(self):
        g = self.start()
        self.phone("alice")
        rows = self.answer("help")[1]["rows"]
        self.assertGreater(len(rows), 40)
        done = self.run_ctl("-h", json_too=True)
        self.assertEqual(json.loads(done.stdout)["rows"], rows)
        for row in rows:
            command, spec = row["command"].split(), row["arguments"]
            if row["command"] in LONG:
                continue
            needed = [w for w in spec.split("[")[0].split() if not w.startswith("--")]
            few = [VALUES.get(w, "x") for w in needed]
            with self.subTest(row["command"]):
                for extra in ([], *(w for w in self.arguments(spec, g.dir) if w[0][0] == "-")):
                    if extra == ["--live"]:
                        continue  # a line for each message
                    (g.dir / "written").write_text(REQUEST)
                    words = ["--password-stdin"] if row["command"] == "user add" else []
                    code, _ = self.answer(*command, *few, *extra, *words, stdin=REQUEST)
                    self.assertIn(code, (0, 1, 2))
                code, answer = self.answer(*command, *few, "one", "two", "too many")
                self.assertEqual(code, 2, answer)
                code, answer = self.answer(*command, "--no-such-flag")
                self.assertEqual(code, 2, answer)
                if needed:
                    self.assertEqual(self.answer(*command)[0], 2)
        for words in (("completion",), ("nonsense",), ("trace", "--live", "--svg", "x")):
            self.assertEqual(self.answer(*words)[0], 2)
        self.assertEqual(self.answer("-V")[0], 0)
        self.assertEqual(g.ctl("status")["object"]["worker_deaths"], 0)

    def test_without_a_gateway(self):
        g = self.start()
        rows = self.answer("help")[1]["rows"]
        nowhere = g.dir / "none"
        for row in rows:
            needed = [w for w in row["arguments"].split("[")[0].split() if w[:2] != "--"]
            words = [*row["command"].split(), *(VALUES.get(w, "x") for w in needed)]
            words += ["--password-stdin"] if row["command"] == "user add" else []
            with self.subTest(row["command"]):
                code, _ = self.answer(*words, socket_path=nowhere, stdin=REQUEST)
                self.assertEqual(code, 0 if row["command"] == "help" else 3)
        self.assertEqual(self.answer("-h", socket_path=nowhere)[1]["rows"], rows)


if __name__ == "__main__":
    unittest.main()
