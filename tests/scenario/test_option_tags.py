"""The option tags of Supported, Require and Unsupported that pass from one side to the other: every
row of option-tags.def."""
import re, unittest

from headers import SOURCE
from legs import NUMBER, CallCase, lines_of

OPTIONS = dict(
    re.findall(r'^OPTION\("([^"]+)", (\w+)\)', (SOURCE / "option-tags.def").read_text(), re.M)
)


class OptionTags(CallCase):
    def setUp(self):
        super().setUp()
        self.start()
        self.bob, self.far = self.phone("bob"), self.trunk()

    def test_every_tag(self):
        for tag, what in list(OPTIONS.items()) + [("x-nobody-knows", "STRIPPED")]:
            with self.subTest(tag=tag):
                self.request(self.far, "MESSAGE", "bob@example.net", headers=[f"Supported: {tag}"])
                got = self.bob.request("MESSAGE")
                self.assertEqual(got.all("Supported"), [tag] if what == "BRIDGED" else [])
                self.bob.answer(
                    got, 200, contact=False, headers=[f"Supported: {tag}", f"Require: {tag}"]
                )
                answer = self.far.response(200, "MESSAGE")
                self.assertEqual(
                    (answer.all("Supported"), answer.all("Require")),
                    ([tag], [tag]) if what == "BRIDGED" else ([], []),
                )
                self.request(self.far, "MESSAGE", "bob@example.net", headers=[f"Require: {tag}"])
                if what == "BRIDGED":
                    got = self.bob.request("MESSAGE")
                    self.assertEqual(got.all("Require"), [tag])
                    self.bob.answer(got, 200, contact=False)
                    self.far.response(200, "MESSAGE")
                else:
                    self.assertEqual(self.far.response(420, "MESSAGE").all("Unsupported"), [tag])
        self.assertEqual([m for m in self.bob.waiting if m.method], [])

    def test_lists_are_thinned(self):
        self.request(
            self.far,
            "MESSAGE",
            "bob@example.net",
            headers=[
                "k: gruu,TIMER ,  path",
                "Supported: 100rel,replaces",
                "Supported: outbound",
                "Supported:",
            ],
        )
        got = self.bob.request("MESSAGE")
        self.assertEqual(
            [x for x in lines_of(got) if x[:2] in (b"k:", b"Su")][:2],
            [b"k: TIMER", b"Supported: 100rel,replaces"],
        )
        self.bob.answer(got, 200, contact=False)

    def test_several_unsupported_ones_are_named(self):
        self.request(
            self.far,
            "MESSAGE",
            "bob@example.net",
            headers=["Require: gruu, timer", "Require: x-foo"],
        )
        self.assertEqual(self.far.response(420, "MESSAGE").get("Unsupported"), "gruu, x-foo")

    def test_within_a_call(self):
        alice = self.phone("alice")
        a, b = self.establish(alice, self.far, f"{NUMBER}@example.net")
        for side, other in ((a, b), (b, a)):
            side.send("INFO", headers=["Require: gruu"])
            self.assertEqual(side.peer.response(420, "INFO").get("Unsupported"), "gruu")
            self.assertEqual([m for m in other.peer.received if m.method == "INFO"], [])
        self.hang_up(a, b)


if __name__ == "__main__":
    unittest.main()
