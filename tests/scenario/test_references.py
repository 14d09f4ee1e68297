"""Documents and comments name files: each must be in the repository. No gateway is needed."""
import pathlib, re, subprocess, unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Files that others wrote, or a tool.
NOT_OURS = ("tests/torture/", "tests/fuzz/corpus/", "tests/browser/package", "LICENSE")
# The name of a file with an ending that only sources and documents of ours have.
NAME = re.compile(r"(?<![\w/.*{}$<>%-])((?:[\w.-]+/)*[\w-]+\.(?:md|c|h|def))\b(?![\w(*])")
# A manual page, as in "see sipward(8)".
PAGE = re.compile(r"\b(sipward[\w.-]*)\((\d)\)")
# Of a library.
ELSEWHERE = {"zmq.h"}
# The beginnings of names of libraries.
LIBRARIES = ("ZMQ_", "SSL_", "EVP_", "MDB_")
# A name to be chosen, as a pattern calls it.
PATTERN = re.compile(r"(?:NAME|NOUN|KIND)(?:_commands)?\.")


def tracked():
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z"],
            capture_output=True,
            check=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError) as e:
        raise unittest.SkipTest(f"not a clone, or no git: {e}")
    return [n for n in done.stdout.split("\0") if n and (ROOT / n).is_file()]


def prose(name, text):
    """The prose of a file: all of a document, comments of everything else."""
    if name.endswith(".md"):
        return text
    if name.endswith((".c", ".h", ".def")):
        return "\n".join(re.findall(r"/\*.*?\*/", text, re.S))
    if name.endswith(".py") or text.startswith("#!"):
        strings = re.findall(r'"""(.*?)"""', text, re.S)
        return "\n".join(strings + re.findall(r"(?m)^\s*#.*$", text))
    return "\n".join(re.findall(r"(?m)#.*$", text))


class References(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.names = tracked()
        cls.ours = [n for n in cls.names if not n.startswith(NOT_OURS)]

    def is_there(self, named):
        """A name is a path from the root, or the end of one."""
        if named in ELSEWHERE or PATTERN.search(named) or named in self.names:
            return True
        return any(n.endswith("/" + named) for n in self.names)

    def test_files_that_are_named_are_there(self):
        missing = []
        for name in self.ours:
            try:
                text = (ROOT / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            for named in NAME.findall(prose(name, text)):
                if not self.is_there(named):
                    missing.append(f"{name}: {named}")
        self.assertEqual(missing, [])

    def test_names_in_documents_are_in_the_code(self):
        """A function or a constant that a document names, as in `fork_start`."""
        code = "\n".join(
            (ROOT / n).read_text(errors="replace")
            for n in self.ours
            if n.endswith((".c", ".h", ".def", ".py", ".in")) or n in ("Makefile", "tests/run")
        )
        words = set(re.findall(r"\w+", code)) | {"command_ID"}
        missing = []
        for name in self.ours:
            # those pages are about the words of other programs
            if name.endswith(".md") and not name.startswith("deploy/FROM-"):
                for word in re.findall(r"`([A-Za-z]+_[A-Za-z_]+)`", (ROOT / name).read_text()):
                    if word not in words and not word.startswith(LIBRARIES):
                        missing.append(f"{name}: {word}")
        self.assertEqual(missing, [])

    def test_folders_of_the_layout_are_there(self):
        """README's layout names every folder at the top, and no other."""
        text = (ROOT / "README.md").read_text()
        layout = text[text.index("## Layout") :]
        named = set(re.findall(r"(?m)^ {4}([\w-]+)/ ", layout))
        there = {n.split("/")[0] for n in self.names if "/" in n and not n.startswith(".")}
        self.assertEqual(named, there)

    def test_targets_of_make_are_there(self):
        """A `make TARGET` in a document is a target of the Makefile."""
        makefile = (ROOT / "Makefile").read_text()
        targets = set(re.findall(r"(?m)^([\w./ -]+):(?!=)", makefile))
        targets = {t for row in targets for t in row.split()}
        missing = []
        for name in self.ours:
            if name.endswith(".md"):
                text = (ROOT / name).read_text()
                for words in re.findall(r"(?:`|(?m:^ {4}))(?:sudo )?make ([a-z][^`#\n]*)", text):
                    for word in words.split("  ")[0].split():
                        if "=" not in word and word not in targets:
                            missing.append(f"{name}: make {word}")
        self.assertEqual(missing, [])

    def test_pages_that_are_named_are_there(self):
        """A manual page is made from doc/NAME.SECTION.in."""
        missing = []
        for name in self.ours:
            try:
                text = (ROOT / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
            for page, section in PAGE.findall(text):
                if f"doc/{page}.{section}.in" not in self.names:
                    missing.append(f"{name}: {page}({section})")
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
