"""Rows of ./dev bench with several processes: fork, copy-on-write, memory of a tree."""
import json
import os

from common import FORK, Figure, Row, call, under
from saves import Save

LATENCY_MIB = 1024
COW_MIB = 256
TREE_MIB, TREE_CHILDREN, TREE_PERCENT = 256, 8, 5


def with_stats(tmp, options, job):
    """Runs a job under Faultline: its standard output, and the statistics of its tree."""
    path = os.path.join(tmp, "stats")
    out = call(under("--stats", path, *options) + job)
    with open(path) as f:
        return out, json.load(f)


class Latency(Row):
    def prepare(self, bench):
        self.figures = [Figure("fork of a process with 1 GiB", "ms", 1),
                        Figure("the same, until its child has ended", "ms", 1)]
        self.job = [FORK, "latency", str(LATENCY_MIB)]
        self.tmp = bench.tmp
        self.variants = {
            "native": lambda: call(self.job),
            "no limit": lambda: call(under() + self.job),
            "half of it in swap": self.half_swapped,
        }

    def half_swapped(self):
        out, stats = with_stats(self.tmp, ["--ram", "%dM" % (LATENCY_MIB // 2)], self.job)
        mib = stats["swap_peak_bytes"] / 2**20
        if not 0.4 * LATENCY_MIB < mib < 0.6 * LATENCY_MIB:
            raise RuntimeError("%d MiB of %d were in swap, not half" % (mib, LATENCY_MIB))
        return out

    def run(self, variant):
        return [float(ms) for ms in self.variants[variant]().split()]


class Cow(Row):
    def __init__(self, order):
        self.order = order

    def prepare(self, bench):
        self.figures = [Figure("copy of a page that a child shares, %s" % self.order, "µs a page", 2),
                        Figure("first write after the child, %s" % self.order, "µs a page", 2)]
        self.variants = {"native": [], "no limit": under()}

    def run(self, variant):
        out = call(self.variants[variant] + [FORK, "cow", self.order, str(COW_MIB)])
        return [float(us) for us in out.split()]


class Tree(Row):
    """MiB; the same tree by the kernel's count, and by Faultline's of its frames."""

    def prepare(self, bench):
        what = "%d MiB, and %d children that write to %d%%" % (TREE_MIB, TREE_CHILDREN, TREE_PERCENT)
        self.job = [FORK, "tree", str(TREE_MIB), str(TREE_CHILDREN), str(TREE_PERCENT)]
        self.tmp = bench.tmp
        self.variants = {
            "native": lambda: float(call(self.job)),
            "no limit": lambda: float(call(under() + self.job)),
            "no limit, frames alone": self.frames,
            "private copies (computed)": lambda: float(TREE_MIB * (TREE_CHILDREN + 1)),
        }
        self.figures = [Figure(what, "MiB", 0)]

    def frames(self):
        return with_stats(self.tmp, [], self.job)[1]["ram_peak_bytes"] / 2**20

    def run(self, variant):
        return [self.variants[variant]()]


ROWS = {"fork": Latency(), "cow-sequential": Cow("sequential"), "cow-random": Cow("random"),
        "bgsave": Save(), "tree": Tree()}
