"""Rows of ./dev bench with one program at a time: first touches, starts, real programs."""
import os
import shutil
import subprocess
import time

from common import LEAST_KIB, LIBRARY, TOP, TOUCH, Figure, Row, call, under

JOB = os.path.join(TOP, "bench", "job.sh")
JOBS = ["sort", "python3", "sqlite3", "redis", "gcc", "xz", "node"]
TOUCH_MIB = 256
STARTS = 200


class Touch(Row):
    def __init__(self, order):
        self.order = order

    def prepare(self, tmp):
        what = "first touch of %d MiB, %s" % (TOUCH_MIB, self.order)
        self.figures = [Figure(what, "µs a page", 2)]
        self.variants = {
            "native": [],
            "no limit": under(),
            "--fault-around 1": under("--fault-around", "1"),
        }

    def run(self, variant):
        return [float(call(self.variants[variant] + [TOUCH, self.order, str(TOUCH_MIB)])) / 1000]


class Start(Row):
    """A loop of a shell that runs natively, by the number of its starts."""

    def prepare(self, tmp):
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


class Job(Row):
    """A program of tests/programs/real."""

    def __init__(self, name):
        self.name = name

    def needs(self):
        r = subprocess.run([JOB, self.name, "needs"], stdout=subprocess.PIPE, text=True, check=False)
        return "%s is not installed" % r.stdout.strip() if r.returncode else None

    def prepare(self, tmp):
        self.dir = os.path.join(tmp, self.name)
        self.input = os.path.join(self.dir, "input")
        os.makedirs(self.input)
        call([JOB, self.name, "prepare"], cwd=self.input)
        peak_kib = int(call([JOB, self.name, "peak", self.input], cwd=self.fresh()))
        half = max(peak_kib // 2, LEAST_KIB)
        self.figures = [Figure("%s, peak %d MiB" % (self.name, peak_kib // 1024), "s", 2)]
        self.digest = None
        self.variants = {
            "native": [],
            "no limit": under(),
            "50% of the peak": under("--ram", "%dK" % half),
        }

    def fresh(self):
        d = os.path.join(self.dir, "run")
        shutil.rmtree(d, ignore_errors=True)
        os.mkdir(d)
        return d

    def run(self, variant):
        out = call([JOB, self.name, "run", self.input] + self.variants[variant],
                   cwd=self.fresh(), stderr=subprocess.DEVNULL)
        us, digest = out.split()
        self.digest = self.digest or digest
        if digest != self.digest:
            raise RuntimeError("%s, %s: another output" % (self.name, variant))
        return [int(us) / 1e6]


ROWS = {"first-touch-sequential": Touch("sequential"), "first-touch-random": Touch("random"),
        "start": Start(), **{name: Job(name) for name in JOBS}}
