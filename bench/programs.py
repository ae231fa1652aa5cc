"""Rows of ./dev bench with real programs: the jobs of tests/programs, and bench/jobs."""
import os
import shutil
import subprocess

from common import LEAST_KIB, TOP, Figure, call
from compared import Compared, Variant, ran_out
from sides import AGAINST, NATIVE, NO_LIMIT

JOB = os.path.join(TOP, "bench", "job.sh")
JOBS = ["sort", "python3", "sqlite3", "redis", "gcc", "xz", "node", "java"]
# Where the kernel kills a program at one size, it is tried at another.
SECOND_PERCENT = {50: 75}


class Job(Compared):
    percents, unlimited = (100, 50), (NATIVE, NO_LIMIT)

    def __init__(self, name):
        self.name = name

    def needs(self):
        r = subprocess.run([JOB, self.name, "needs"], stdout=subprocess.PIPE, text=True, check=False)
        return "%s is not installed" % r.stdout.strip() if r.returncode else None

    def prepare(self, bench):
        self.dir = os.path.join(bench.tmp, self.name)
        self.input = os.path.join(self.dir, "input")
        os.makedirs(self.input)
        call([JOB, self.name, "prepare"], cwd=self.input)
        self.peak_kib = int(call([JOB, self.name, "peak", self.input], cwd=self.fresh()))
        self.figures = [Figure("%s, peak %d MiB" % (self.name, self.peak_kib // 1024), "s", 2)]
        self.digest = None
        self.choose(bench)

    def more(self, values):
        """The sizes to which a comparison moves that could not be made."""
        wanted = []
        for ours, theirs in AGAINST.items():
            for percent, second in SECOND_PERCENT.items():
                if ran_out(values.get(Variant(theirs, percent, None))):
                    wanted += [Variant(side, second, None) for side in (theirs, ours) if side in self.sides]
        return [v for v in wanted if v not in values]

    def limit_bytes(self, percent):
        return percent and max(self.peak_kib * percent // 100, LEAST_KIB) * 1024

    def fresh(self):
        d = os.path.join(self.dir, "run")
        shutil.rmtree(d, ignore_errors=True)
        os.mkdir(d)
        return d

    def run(self, variant):
        with self.sides[variant.side].limited(self.limit_bytes(variant.percent)) as prefix:
            out = call([JOB, self.name, "run", self.input] + prefix,
                       cwd=self.fresh(), stderr=subprocess.DEVNULL)
        us, digest = out.split()
        self.digest = self.digest or digest
        if digest != self.digest:
            raise RuntimeError("another output than natively")
        return [int(us) / 1e6]


ROWS = {name: Job(name) for name in JOBS}
