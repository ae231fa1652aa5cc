"""Rows of ./dev bench on what a program pays without a limit: first touches, starts, bookkeeping."""
import json
import os
import time

from common import LIBRARY, MICRO, Figure, Row, call, under

TOUCH_MIB = 1024
STARTS = 200


class Touch(Row):
    """One byte a page, as a program's first touch is, of memory that was touched and dropped before."""

    def __init__(self, order):
        self.order = order

    def prepare(self, bench):
        mib = min(TOUCH_MIB, bench.mib * 4)
        self.figures = [Figure("first touch of %d MiB, %s" % (mib, self.order), "µs a page", 2),
                        Figure("the first one of the process", "µs a page", 2)]
        job = [MICRO, "first-touch-" + self.order, "byte", str(mib), str(bench.seconds)]
        self.variants = {
            "native": job + ["4k"],
            "no limit": under() + job,
            "--fault-around 1": under("--fault-around", "1") + job,
        }

    def run(self, variant):
        steady, _, first = call(self.variants[variant]).split()
        return [float(steady) / 1000, float(first) / 1000]


class Start(Row):
    """A loop of a shell that runs natively, by the number of its starts."""

    def prepare(self, bench):
        loop = "i=0; while [ $i -lt %d ]; do %%s /bin/true; i=$((i+1)); done" % STARTS
        tool = " ".join(under())
        library = "LD_PRELOAD=%s FAULTLINE=quiet" % LIBRARY
        self.figures = [Figure("starting /bin/true", "ms a start", 2)]
        self.variants = {
            "native": ["sh", "-c", loop % ""],
            "library alone": ["sh", "-c", loop % library],
            "faultline run each": ["sh", "-c", loop % tool],
            "from a shell under faultline run": under() + ["sh", "-c", loop % ""],
        }

    def run(self, variant):
        start = time.monotonic()
        call(self.variants[variant])
        return [(time.monotonic() - start) * 1000 / STARTS]


class Bookkeeping(Row):
    """The tables of a process, by the memory that it touches; natively the kernel's page tables."""

    def prepare(self, bench):
        self.mib = min(TOUCH_MIB, bench.mib * 4)
        self.stats = os.path.join(bench.tmp, "stats")
        self.job = [MICRO, "first-touch-random", "byte", str(self.mib), str(bench.seconds)]
        self.figures = [Figure("bookkeeping for %d MiB touched" % self.mib, "% of them", 2)]
        half = ["--ram", "%dM" % (self.mib // 2)]
        # Of each page the kernel's tables have an entry of 8 bytes.
        self.variants = {"native": None, "no limit": [], "half of it in swap": half}

    def run(self, variant):
        options = self.variants[variant]
        if options is None:
            return [100 * 8 / 4096]
        call(under("--stats", self.stats, *options) + self.job)
        with open(self.stats) as f:
            return [100 * json.load(f)["bookkeeping_peak_bytes"] / (self.mib << 20)]


ROWS = {"touch-sequential": Touch("sequential"), "touch-random": Touch("random"),
        "start": Start(), "bookkeeping": Bookkeeping()}
