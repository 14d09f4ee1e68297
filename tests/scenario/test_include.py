"""A config of several files: what include takes in, in which order, and which file and line errors
name."""
import subprocess, unittest

from gateway import Gateway


class Include(unittest.TestCase):
    def setUp(self):
        self.g = Gateway(start=False)
        self.addCleanup(self.g.close)
        self.dir = self.g.dir

    def put(self, name, text):
        path = self.dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def add(self, text):
        """Adds to the end of the main file; returns the line where it begins."""
        before = self.g.config.read_text()
        self.g.config.write_text(before + text)
        return before.count("\n") + 1

    def check(self):
        done = subprocess.run(
            [self.g.bin / "sipward", "-n", "-c", self.g.config], capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    def refused(self, *lines):
        code, text = self.check()
        self.assertEqual(code, 1, text)
        found = [line for line in text.splitlines()]
        self.assertEqual(len(found), len(lines), text)
        for line, (name, number, words) in zip(found, lines):
            where = f"{self.dir}/{name}:{number}: " if number else f"{self.dir}/{name}: "
            self.assertTrue(line.startswith(where), f"{line}\nnot {where}")
            self.assertRegex(line, words)

    def route(self, name):
        return f'route "{name}" {{ from = {{ "access" }}  number = "^1"  action = "refuse" }}\n'

    def test_in_its_place_in_order_of_names(self):
        self.put("conf.d/20.conf", self.route("second"))
        self.put("conf.d/10.conf", '\n\nroute "all" { from = { "access" }  action = "refuse" }\n')
        self.put("conf.d/30.conf", "")
        self.put("conf.d/notes.txt", "nonsense")
        line = self.add('include "conf.d/*.conf"   # all\n' + self.route("third"))
        code, text = self.check()
        self.assertEqual(code, 0, text)
        # the first of them catches all that comes to the others
        self.assertRegex(text, r'conf\.d/20\.conf:1: warning: route "second"')
        self.assertRegex(text, r'sipward\.conf:%d: warning: route "third"' % (line + 1))
        self.assertNotIn("10.conf", text)

    def test_lines_behind_it_are_those_of_the_file(self):
        self.put("a.conf", "\n" * 50)
        line = self.add('include "a.conf"\n\nnonsense = 1\n')
        self.refused(("sipward.conf", line + 2, "nonsense"))

    def test_errors_name_the_file_and_line(self):
        self.put("sub/a.conf", '\n\nzone "x" { trust = perhaps  auth = digest }\nnonsense = 1\n')
        self.add('include "sub/a.conf"\n')
        self.refused(("sub/a.conf", 4, "nonsense"), ("sub/a.conf", 3, "trust"))

    def test_relative_ones_begin_in_the_folder_of_the_main_file(self):
        self.put("sub/a.conf", 'include "sub/b.conf"\n')
        self.put("sub/b.conf", "\nnonsense = 1\n")
        self.add('include "sub/a.conf"\n')
        self.refused(("sub/b.conf", 2, "nonsense"))

    def test_said_twice_in_two_files(self):
        self.put("a.conf", 'zone "access" { trust = no  auth = digest }\n')
        self.add('include "a.conf"\n')
        self.refused(("a.conf", 1, 'there is a zone "access" already in line 7'))
        self.put("a.conf", 'zone "x" { trust = no  auth = digest }\n')
        self.put("b.conf", '\nzone "x" { trust = no  auth = digest }\n')
        self.add('include "b.conf"\n')
        self.refused(("b.conf", 2, r"already in line 1 of \S+/a.conf"))

    def test_not_there(self):
        line = self.add('include "none.conf"\n')
        self.refused(("sipward.conf", line, r'include: "\S+/none.conf" is not there'))

    def test_a_pattern_that_nothing_matches(self):
        self.add('include "conf.d/*.conf"\n')
        code, text = self.check()
        self.assertEqual(code, 0, text)

    def test_within_itself(self):
        self.put("a.conf", '\ninclude "b.conf"\n')
        self.put("b.conf", 'include "a.conf"\n')
        self.add('include "a.conf"\n')
        self.refused(("b.conf", 1, "within itself"))

    def test_too_deep(self):
        for i in range(1, 9):
            self.put(f"{i}.conf", f'include "{i + 1}.conf"\n')
        self.put("9.conf", "")
        self.add('include "1.conf"\n')
        self.refused(("7.conf", 1, "8 deep"))

    def test_deep_enough(self):
        for i in range(1, 7):
            self.put(f"{i}.conf", f'include "{i + 1}.conf"\n')
        self.put("7.conf", "\nnonsense = 1\n")
        self.add('include "1.conf"\n')
        self.refused(("7.conf", 2, "nonsense"))

    def test_too_many(self):
        for i in range(300):
            self.put(f"d/{i:03}.conf", "")
        line = self.add('include "d/*"\n')
        self.refused(("sipward.conf", line, "more than 256 files"))

    def test_closed_in_itself(self):
        for text, words in (
            ('zone "x" {\n', "brace"),
            ("/* open\n", "comment"),
            ('a = "b\n', "quote"),
        ):
            with self.subTest(text):
                self.put("a.conf", "\n" + text)
                if "a.conf" not in self.g.config.read_text():
                    self.add('include "a.conf"\n')
                self.refused(("a.conf", 2, words))

    def test_forms_that_it_has_not(self):
        start = self.g.config.read_text()
        for form in (
            "include a.conf",
            'include ("a.conf")',
            'include = "a.conf"',
            'include "a" "b"',
            "include",
            'include ""',
        ):
            with self.subTest(form):
                self.g.config.write_text(start)
                line = self.add(form + "\n")
                self.refused(("sipward.conf", line, "include: expected one path in quotes"))

    def test_a_folder(self):
        (self.dir / "sub").mkdir()
        self.add('include "sub"\n')
        self.refused(("sub", 0, "cannot be read: Is a directory"))

    def test_within_a_section_it_is_no_option(self):
        line = self.add('limits {\ninclude "a.conf"\n}\n')
        self.refused(("sipward.conf", line + 1, "include"))

    def test_start_and_reload(self):
        self.put("conf.d/a.conf", "\n" + self.route("refused"))
        self.add('include "conf.d/*.conf"\n')
        self.g.start()
        self.put(
            "conf.d/b.conf", '\n\nlistener "bad" { bind = "udp:192.0.2.1:5060"  zone = "core" }'
        )
        done = self.g.ctl("reload", check=False)
        self.assertRegex(str(done), r"conf\.d/b\.conf:3: listener \"bad\"")
        (self.dir / "conf.d/b.conf").unlink()
        self.assertTrue(self.g.ctl("reload")["ok"])


if __name__ == "__main__":
    unittest.main()
