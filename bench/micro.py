"""Rows of ./dev bench that walk through memory in one way each: bench/micro.c."""
from common import MICRO, Figure, call
from compared import Compared
from sides import KERNEL_FILE, KERNEL_ZRAM, NATIVE

WORKLOADS = {
    "first-touch-sequential": "first touch, sequential",
    "first-touch-random": "first touch, random",
    "scan": "sequential scan",
    "random-read": "random read",
    "random-write": "random write",
    "zipf": "Zipf 0.99, half of them writes",
    "stride": "every 16th page, then the next",
    "two-threads": "two threads, random, half of them writes",
}
# As the report has it, and as the program.
KINDS = {"2:1": "half", "random": "random"}


def small_pages(side):
    """Huge pages are the kernel's affair; what Faultline does with its frames is its own."""
    return ["4k"] if side in (NATIVE, KERNEL_FILE, KERNEL_ZRAM) else []


class Micro(Compared):
    percents, kinds, unlimited = (100, 75, 50, 25), tuple(KINDS), (NATIVE,)

    def __init__(self, workload):
        self.workload = workload

    def prepare(self, bench):
        self.bench = bench
        self.figures = [Figure(WORKLOADS[self.workload], "ns", 0), Figure("accesses", "", 0),
                        Figure("ns a page of the first filling", "ns", 0)]
        self.choose(bench)

    def limit_bytes(self, percent):
        """Of the memory that is walked through, and a little for the program's own on both sides."""
        own = (2 << 20) + (self.bench.mib << 13)
        return percent and (self.bench.mib << 20) * percent // 100 + own

    def run(self, variant):
        with self.sides[variant.side].limited(self.limit_bytes(variant.percent)) as prefix:
            out = call(prefix + [MICRO, self.workload, KINDS[variant.pages], str(self.bench.mib),
                                 str(self.bench.seconds)] + small_pages(variant.side))
        return [float(n) for n in out.split()]


ROWS = {name: Micro(name) for name in WORKLOADS}
