#!/usr/bin/env python3
"""Runs mm-diff natively and under Faultline, compares the logs, and shrinks what differs.

	mm-diff.py --build DIR [--ops N] [--seed S] [--threads T] [--every K] [--ram SIZE] [--no-shrink]

Prints one line if all is the same: how many operations, and what Faultline counted. Else it prints
the first difference, and then the least list of operations found that shows it, as both ran it.
The exit status is 0 if the logs are the same, 1 if not, 2 if the native run itself failed.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time


MOST_SHOWN = 40


class Side:
    """One way to run the program: natively, or under Faultline."""

    def __init__(self, o, under, directory):
        self.o = o
        self.prefix = os.path.join(directory, "under" if under else "native")
        self.stats = self.prefix + ".stats"
        self.command = []
        self.env = dict(os.environ, FAULTLINE_CHECK="true", TMPDIR=directory)
        if under:
            tool = os.path.join(o.build, "tools/faultline")
            self.env["FAULTLINE_CHECK"] = tool + " check"
            self.command = [tool, "run", *os.environ.get("FL_OPTIONS", "").split()]
            self.command += ["--quiet", "--stats", self.stats]
            self.command += ["--ram", o.ram, "--page-shared"] if o.ram else []
            self.command += ["--"]
        self.command += [os.path.join(o.build, "tests/programs/mm-diff"), "--log", self.prefix]
        for name in ("ops", "seed", "threads", "every"):
            self.command += ["--" + name, str(getattr(o, name))]

    def run(self, only, timeout):
        """Returns what each thread logged, with how the run ended as its last line."""
        command = list(self.command)
        if only is not None:
            with open(self.prefix + ".only", "w") as f:
                f.writelines("%d\n" % i for i in only)
            command += ["--only", self.prefix + ".only"]
        with open(self.prefix + ".err", "w") as err:
            process = subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=err, stderr=err, start_new_session=True)
            try:
                end = "exit status %d" % process.wait(timeout)
            except subprocess.TimeoutExpired:
                end = "did not end"
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        logs = []
        for k in range(self.o.threads):
            try:
                with open("%s.%d" % (self.prefix, k)) as f:
                    logs.append(f.read().splitlines() + [end])
            except FileNotFoundError:
                logs.append([end])
        return logs

    def errors(self):
        with open(self.prefix + ".err") as f:
            return f.read()[-4000:]


def operation_at(log, line):
    """The number of the operation that a line of the log belongs to."""
    for at in range(min(line, len(log) - 1), -1, -1):
        if log[at].startswith("#"):
            return int(log[at][1:].split()[0])
    return 0


def first_difference(a, b):
    """(thread, line, operation), or None."""
    for thread, (x, y) in enumerate(zip(a, b)):
        for line in range(max(len(x), len(y))):
            if line >= len(x) or line >= len(y) or x[line] != y[line]:
                longer = x if line < len(x) else y
                return thread, line, operation_at(longer, line)
    return None


def show(a, b, thread, line):
    for name, logs in (("native   ", a), ("faultline", b)):
        log = logs[thread]
        print("  %s %s" % (name, log[line] if line < len(log) else "(ended)"))


def show_marks(a, b, thread, line):
    """Where two lines begin to differ."""
    x, y = a[thread], b[thread]
    if line >= len(x) or line >= len(y):
        return
    at = len(os.path.commonprefix([x[line], y[line]]))
    start = max(0, at - 30)
    if len(x[line]) > 160:
        print("  at       ...%s" % x[line][start:at + 60])
        print("           ...%s" % y[line][start:at + 60])


class Shrinker:
    def __init__(self, native, under, target, timeout):
        self.native, self.under, self.target, self.timeout = native, under, target, timeout
        self.runs = 0

    def differs(self, only):
        """The same operation must be the first to differ, or another difference is found."""
        self.runs += 1
        a = self.native.run(only, self.timeout)
        b = self.under.run(only, self.timeout)
        if any(log[-1] != "exit status 0" for log in a):
            return None
        found = first_difference(a, b)
        return (a, b, found) if found and found[2] == self.target else None

    def shrink(self, only, least_seconds):
        """Takes away pieces that are not needed, each time smaller ones."""
        best = self.differs(only)
        if not best:
            return only, None
        end = time.monotonic() + least_seconds
        piece = max(1, len(only) // 2)
        while True:
            at, removed = 0, False
            while at < len(only) and time.monotonic() < end:
                rest = only[:at] + only[at + piece:]
                found = self.target in rest and self.differs(rest)
                if found:
                    only, best, removed = rest, found, True
                else:
                    at += piece
            if time.monotonic() >= end or (piece == 1 and not removed):
                return only, best
            piece = max(1, piece // 2)


def report(o, native, under, a, b, found):
    thread, line, op = found
    print("seed %d%s: thread %d, operation %d:" % (
        o.seed, " in " + o.ram if o.ram else "", thread, op))
    show(a, b, thread, line)
    show_marks(a, b, thread, line)
    if b[thread][-1] != a[thread][-1]:
        print("  faultline ended: %s" % b[thread][-1])
    errors = under.errors()
    if errors:
        print("  standard error of the last run under Faultline:")
        print("".join("  | %s\n" % s for s in errors.splitlines()[-12:]), end="")
    if not o.shrink:
        return
    shrinker = Shrinker(native, under, op, o.timeout if o.threads > 1 else o.shrink_timeout)
    only, best = shrinker.shrink(list(range(op + 1)), o.shrink_seconds)
    if not best:
        print("  not seen again: what differs depends on the run")
        return
    a, b, (thread, line, _) = best
    print("%d operations show it (%d runs):" % (len(only), shrinker.runs))
    for text in a[thread][max(0, line - MOST_SHOWN):line]:
        print("    %s" % text[:400])
    show(a, b, thread, line)
    show_marks(a, b, thread, line)
    if len(only) > MOST_SHOWN:
        return
    print("  again: mm-diff.py --ops %d --seed %d --threads %d --every %d%s --only %s" % (
        o.ops, o.seed, o.threads, o.every, " --ram " + o.ram if o.ram else "",
        ",".join(map(str, only))))


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--build", required=True)
    p.add_argument("--ops", type=int, default=2000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--every", type=int, default=1000)
    p.add_argument("--ram", help="without it there is no limit")
    p.add_argument("--only", help="numbers of operations, with commas")
    p.add_argument("--no-shrink", dest="shrink", action="store_false")
    p.add_argument("--timeout", type=float, default=300, help="a guard against hangs")
    p.add_argument("--shrink-timeout", type=float, default=30)
    p.add_argument("--shrink-seconds", type=float, default=240)
    return p.parse_args()


def main():
    o = parse()
    o.build = os.path.abspath(o.build)
    only = [int(i) for i in o.only.split(",")] if o.only else None
    # whoever ends us ends what we run, too: see Side.run
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="fl-test.") as directory:
        native, under = Side(o, False, directory), Side(o, True, directory)
        a = native.run(only, o.timeout)
        if any(log[-1] != "exit status 0" for log in a):
            print("natively: %s\n%s" % (a[0][-1], native.errors()))
            return 2
        b = under.run(only, o.timeout)
        found = first_difference(a, b)
        if found:
            report(o, native, under, a, b, found)
            return 1
        with open(under.stats) as f:
            stats = json.load(f)
        done = sum(line.startswith("#") for log in a for line in log)
        print("%d operations alike, pswpout %d" % (done, stats.get("pswpout", 0)))
    return 0


sys.exit(main())
