"""What the rows of ./dev bench share: where things are, and running a command.

A row has, once prepare(bench) has run,

    figures     what one run gives: a list of Figure
    variants    a dictionary whose keys name the ways to run it, "native" the first

and run(variant), which gives a list with a number for each figure. needs() gives a
sentence if the row cannot be measured here, more(values) further variants in the light of
what was measured, entries(values) what is reported.
"""
import collections
import json
import os
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("FL_BUILD", os.path.join(TOP, "build")))
TOOL = os.path.join(BUILD, "tools", "faultline")
LIBRARY = os.path.join(BUILD, "lib", "libfaultline.so")
MICRO = os.path.join(BUILD, "bench", "micro")
FORK = os.path.join(BUILD, "bench", "fork")
SAMPLER = os.path.join(BUILD, "tests", "programs", "rss-sampler")
BUILT = (TOOL, LIBRARY, MICRO, FORK, SAMPLER)

LIMIT_S = 120  # a run that takes longer is killed, and the row says so
LEAST_KIB = 8192

Figure = collections.namedtuple("Figure", "what unit digits")

# What all rows share of one run of the bench: a directory on the disk that is swapped to, the
# sides (sides.py), the sizes asked for in percent (None: all), MiB and seconds of a workload.
Bench = collections.namedtuple("Bench", "tmp sides percents mib seconds")


class TooLong(Exception):
    """Killed after LIMIT_S."""


class OutOfMemory(Exception):
    """Killed by the kernel, because its cgroup had no memory that could be taken away."""


def spread(values):
    """Of a variant; one that gave none is a dictionary that says why."""
    if isinstance(values, dict):
        return values
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": values}


class Row:
    def needs(self):
        return None

    def more(self, values):
        return []

    def entries(self, name, values):
        """A dictionary for each figure, from the lists of numbers that the runs of a variant gave."""
        return [{"name": name, "what": f.what, "unit": f.unit, "digits": f.digits,
                 "variants": {v: spread(nth(runs, i)) for v, runs in values.items()}}
                for i, f in enumerate(self.figures)]


def nth(runs, i):
    return runs if isinstance(runs, dict) else [run[i] for run in runs]


def say(text):
    print(text, file=sys.stderr, flush=True)


def kill(p):
    """Ends a process that was started in a session of its own, with all its children."""
    try:
        os.killpg(p.pid, 9)
    except ProcessLookupError:
        pass
    p.wait()


def call(args, **how):
    """Standard output of a command, killed with all its children after LIMIT_S."""
    how.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.Popen(args, stdout=subprocess.PIPE, text=True, start_new_session=True, **how)
    try:
        out, _ = p.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        kill(p)
        raise TooLong
    except BaseException:
        kill(p)
        raise
    if p.returncode:
        raise RuntimeError("%s: exit status %d" % (" ".join(args), p.returncode))
    return out


def under(*options):
    """Strictly: what runs natively after a warning is not to be taken for Faultline."""
    return [TOOL, "run", "--quiet", "--strict", *options, "--"]


def why_not(*options):
    """A sentence, if nothing can run under Faultline with these options."""
    r = subprocess.run(under("--stats", "-", *options) + ["true"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    said, _, stats = r.stderr.partition("{")
    if r.returncode == 0 and stats and json.loads("{" + stats)["processes_seen"]:
        return None
    return (said.strip() or "exit status %d" % r.returncode).removeprefix("faultline: ")
