"""Processes as /proc shows them, for tests of who lives, as whom, and with what."""
import datetime, pathlib, re, resource, subprocess

from gateway import BIN

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The kinds of workers.
KINDS = re.findall(r'^ROLE\(\w+, \w, "(\w+)"', (ROOT / "ipc/roles.def").read_text(), re.M)
# A load generator that is starved of processor time is no trunk that is down.
PATIENT = 'answer-timeout = "30s"'
GROWTH_MAX = 64 << 20  # bytes of memory that a siege may cost while it lasts
CORE_OUT = 'route "core-out" { from = { "core" }  action = "trunk"  trunk = { "pbx" } }'


def libraries(program):
    """All that the loader loads for a program, by bare name: libssl, libcrypto, ..."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return {m.group(1) for m in re.finditer(r"^\s*(lib[\w+-]+?)(?:-[\d.]+)?\.so", text, re.M)}


def linked(program):
    """The libraries that a program itself names."""
    text = subprocess.run(
        ["readelf", "-d", program], capture_output=True, text=True, check=True
    ).stdout
    return {m.group(1) for m in re.finditer(r"NEEDED.*\[(lib[\w+-]+?)\.so", text)}


SANITIZED = bool({"libasan", "libubsan"} & libraries(BIN / "sipward"))


def exists(pid):
    """A process that runs: a dead one that nobody has waited for yet does not count."""
    try:
        return (
            pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
        )
    except OSError:
        return False


def children(pid):
    """Pids of the processes that pid is the parent of."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found


def status(pid):
    """/proc/PID/status as a dictionary."""
    return dict(
        line.split(":\t", 1)
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        if ":\t" in line
    )


def memory(pid):
    """Resident bytes."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def fds_of(pid):
    """The number of fds of a process; where only root may look, the size of its table, which grows
    with them."""
    try:
        return sum(1 for _ in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        return int(status(pid)["FDSize"])


def limit(pid, name):
    """(soft, hard) of a line of /proc/PID/limits."""
    for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            return tuple(line[26:].split()[:2])
    raise AssertionError(f"no limit {name!r}")


def events(text, name, **fields):
    """Log lines of an event: (seconds since 1970, the line's fields), where the given fields have
    these values."""
    found = []
    for line in text.splitlines():
        parts = line.split(" ", 4)
        if len(parts) < 4 or parts[3] != name:
            continue
        values = {
            k: a or b
            for k, a, b in re.findall(
                r'(\w+)=(?:"([^"]*)"|(\S*))', parts[4] if len(parts) > 4 else ""
            )
        }
        if all(values.get(k) == str(v) for k, v in fields.items()):
            found.append(
                (
                    datetime.datetime.fromisoformat(parts[0].replace("Z", "+00:00")).timestamp(),
                    values,
                )
            )
    return found
