#!/usr/bin/python3
"""Instructions of the steps of a message's way, counted under callgrind, and the nanoseconds that
they took here.

    tests/bench/micro.py [--build DIR] [--only NAME[,NAME...]] [--baseline] [--check]

Instructions repeat: between two runs of one build on one machine they differ by less than 0.1 %.
They are compared with tests/bench/BASELINE.md; --baseline writes that file anew, --check measures
everything twice and fails where two runs differ by more. Nanoseconds are this moment's, for
orientation. Another processor, compiler or library has other figures: the baseline names its own.

Needs (Debian): valgrind.
"""
import argparse, os, pathlib, platform, re, subprocess, sys, tempfile, textwrap

HERE = pathlib.Path(__file__).resolve().parent
BASELINE = HERE / "BASELINE.md"
# repetitions, under callgrind and by itself
TIMES = 200
TIMES_ALONE = {
    "parse": 100000,
    "check": 100000,
    "slot": 100000,
    "token": 100000,
    "digest": 100000,
    "nonce": 100000,
    "encode-answer": 100000,
    "encode-request": 100000,
    "splice-request": 100000,
    "splice-response": 100000,
}
TIMES_ALONE_ELSE = 5000
REPEATS_WITHIN = 0.001


def measures(program):
    """(name, what it is), in order."""
    text = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    return [tuple(line.split("\t", 1)) for line in text.splitlines()]


def instructions(program, name):
    """Of one step, counted."""
    with tempfile.NamedTemporaryFile(prefix="bench-micro-") as out:
        # a fixed environment: its size moves the stack
        done = subprocess.run(
            [
                "/usr/bin/valgrind",
                "--tool=callgrind",
                "--instr-atstart=no",
                "--collect-atstart=no",
                f"--callgrind-out-file={out.name}",
                program,
                name,
                str(TIMES),
            ],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
        )
        found = re.search(r"^(?:summary|totals): (\d+)", pathlib.Path(out.name).read_text(), re.M)
    if done.returncode or not found:
        raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    return int(found.group(1)) / TIMES


def nanoseconds(program, name):
    return int(
        subprocess.run(
            [program, name, str(TIMES_ALONE.get(name, TIMES_ALONE_ELSE))],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )


def baseline():
    """name -> instructions, as they were."""
    if not BASELINE.exists():
        return {}
    return {
        m.group(1): float(m.group(2).replace(",", ""))
        for m in re.finditer(r"^\| `([a-z0-9-]+)` \| ([0-9,]+) \|", BASELINE.read_text(), re.M)
    }


def machine():
    """Everything that the figures depend on, without dates."""

    def said(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    versions = said(
        "dpkg-query",
        "-W",
        "-f",
        "${Package} ${Version}, ",
        "libc6",
        "libosip2-15",
        "liblmdb0",
        "libsodium23",
        "libssl3",
        "valgrind",
    ).rstrip(", ")
    return [
        f"Processor: {cpu.group(1) if cpu else platform.machine()}",
        f"Compiler: {said(os.environ.get('CC', 'gcc'), '--version').splitlines()[0]}",
        f"Libraries: {versions}",
    ]


def table(program, names=None):
    """Rows of (name, what, instructions, nanoseconds)."""
    for name, what in measures(program):
        if not names or name in names:
            yield name, what, instructions(program, name), nanoseconds(program, name)


def write_baseline(rows):
    lines = [
        "# Instructions per step",
        "",
        "What one step of a message's way costs, in instructions counted under `valgrind "
        "--tool=callgrind`",
        "(`tests/bench/micro.c`). `make bench-micro` compares with these figures, `make "
        "bench-baseline`",
        "writes them anew: in the commit that changes them, so that its cost or gain is seen in "
        "review.",
        "System calls count nothing here, nor does waiting for memory: `make bench` tells what a "
        "step costs",
        "in a running gateway.",
        "",
    ]
    for m in machine():
        lines += textwrap.wrap(f"- {m}", 100, subsequent_indent="  ", break_on_hyphens=False)
    lines += [
        "",
        "| step | instructions | what it is |",
        "|---|---:|---|",
    ]
    lines += [f"| `{name}` | {count:,.0f} | {what.strip()} |" for name, what, count, _ in rows]
    BASELINE.write_text("\n".join(lines) + "\n")


def main():
    a = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    a.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build")
    a.add_argument("--only", default="", help="names of steps, with commas")
    a.add_argument("--baseline", action="store_true", help="write tests/bench/BASELINE.md")
    a.add_argument("--check", action="store_true", help="measure twice")
    a = a.parse_args()
    program = a.build.resolve() / "bench/micro"
    names = set(filter(None, a.only.split(",")))
    unknown = names - {name for name, _ in measures(program)}
    if unknown or (names and a.baseline):
        sys.exit(
            f"no such step: {', '.join(sorted(unknown))}" if unknown else "a baseline has all steps"
        )
    before, rows, bad = baseline(), [], []
    print(
        f"{'step':20}{'instructions':>13}{'baseline':>13}{'':8}{'ns here':>9}  what it is"
        + ("" if not a.check else "; instructions again")
    )
    for name, what, count, ns in table(program, names):
        again = instructions(program, name) if a.check else count
        if abs(again - count) > REPEATS_WITHIN * count:
            bad.append(name)
        change = f"{count / before[name] - 1:+.1%}" if before.get(name) else ""
        was = f"{before[name]:,.0f}" if name in before else ""
        print(
            f"{name:20}{count:13,.0f}{was:>13}{change:>8}{ns:9,}  {what}"
            + (f"; {again:,.0f}" if a.check else ""),
            flush=True,
        )
        rows.append((name, what, count, ns))
    if a.baseline:
        write_baseline(rows)
    if bad:
        sys.exit(f"did not repeat: {', '.join(bad)}")


if __name__ == "__main__":
    main()
