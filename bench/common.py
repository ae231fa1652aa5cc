"""What the rows of ./dev bench share: where things are, and running a command.

A row has, once prepare(tmp) has run,

    figures     what one run gives: a list of Figure
    variants    a dictionary whose keys name the ways to run it, "native" the first

and run(variant), which gives a list with a number for each figure. needs() gives a
sentence if the row cannot be measured here.
"""
import collections
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("FL_BUILD", os.path.join(TOP, "build")))
TOOL = os.path.join(BUILD, "tools", "faultline")
LIBRARY = os.path.join(BUILD, "lib", "libfaultline.so")
TOUCH = os.path.join(BUILD, "bench", "touch")
FORK = os.path.join(BUILD, "bench", "fork")
SAMPLER = os.path.join(BUILD, "tests", "programs", "rss-sampler")
BUILT = (TOOL, LIBRARY, TOUCH, FORK, SAMPLER)

LIMIT_S = 120  # a run that takes longer is killed, and the row says so
LEAST_KIB = 8192

Figure = collections.namedtuple("Figure", "what unit digits")


class TooLong(Exception):
    pass


class Row:
    def needs(self):
        return None


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
    return [TOOL, "run", "--quiet", *options, "--"]
