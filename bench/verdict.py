"""What Faultline must show, and whether it does: ratios of medians of one run of ./dev bench.

A comparison at a size at which the kernel kills the program moves to the next larger one that
was measured and at which both sides finish, and says so.
"""
import collections
import statistics

from sides import AGAINST, FILE, NATIVE, NO_LIMIT, ZRAM

# ratios: a list of (what, ratio); missing: a list of (what, why, whether it is Faultline that lacks)
Line = collections.namedtuple("Line", "work against most ratios missing mean")
ONE_AT_MOST = 1.15


def named(figures, *names):
    return [f for f in figures if f["name"] in names]


def median(entry, side):
    return entry["variants"].get(side, {}).get("median")


def why_none(entry, side):
    got = entry["variants"].get(side)
    if got is None:
        return side + ": not measured"
    return "%s: %s" % (side, {"OutOfMemory": "killed by the kernel", "TooLong": "too slow"}.get(
        got.get("killed"), "failed"))


class Against:
    """Collects ratios of one side to another."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.ratios, self.missing = [], []

    def add(self, what, entry):
        ours, theirs = median(entry, self.ours), median(entry, self.theirs)
        if ours is not None and theirs:
            self.ratios.append((what, ours / theirs))
            return True
        # Where the other side does not finish, it is that which is said.
        side = self.ours if theirs else self.theirs
        self.missing.append((what, why_none(entry, side), bool(theirs)))
        return False

    def add_from(self, figures, percent):
        """Cases of one row; each kind of pages by itself."""
        for pages in sorted({f["pages"] or "" for f in figures}):
            sizes = sorted((f for f in figures if (f["pages"] or "") == pages and f["percent"] >= percent),
                           key=lambda f: f["percent"])
            if not sizes or sizes[0]["percent"] != percent:
                continue  # the size was not asked for
            for f in sizes:
                what = " ".join(filter(None, [f["name"], pages, "at %d%%" % f["percent"]]))
                if self.add(what, f) or not self.died(f):
                    break

    def died(self, entry):
        return entry["variants"].get(self.theirs, {}).get("killed") == "OutOfMemory"

    def line(self, work, most, mean=False):
        return Line(work, self.theirs, most, self.ratios, self.missing, mean)


def rows_at(figures, names, percents, ours):
    found = Against(ours, AGAINST[ours])
    for name in names:
        for percent in percents:
            found.add_from(named(figures, name), percent)
    return found


def without_pressure(figures):
    found = Against(NO_LIMIT, NATIVE)
    for name in dict.fromkeys(f["name"] for f in figures):
        found.add(name, named(figures, name)[0])
    return found


def bookkeeping(figures):
    """Its figure is the ratio itself, in percent."""
    found = Against(NO_LIMIT, "memory touched")
    for f in named(figures, "bookkeeping"):
        for variant in f["variants"]:
            if variant != NATIVE and median(f, variant) is not None:
                found.ratios.append((variant, median(f, variant) / 100))
    return found


def first_touch(figures, name):
    found = Against(NO_LIMIT, NATIVE)
    for f in named(figures, name)[:1]:
        found.add(name, f)
    return found


def lines(tables):
    """Those of which anything was measured."""
    programs, basics, micro = (tables.get(t, []) for t in ("programs", "basics", "micro"))
    names = list(dict.fromkeys(f["name"] for f in programs))
    found = [
        without_pressure(programs).line("programs without pressure, geometric mean", 1.05, True),
        without_pressure(programs).line("programs without pressure, each", ONE_AT_MOST),
        first_touch(basics, "touch-sequential").line("sequential first touch, steady state", 0.5),
        first_touch(basics, "touch-random").line("random first touch, steady state", 3.0),
        rows_at(micro, ["scan"], [50], FILE).line("sequential scan at 50%, file", 0.4),
        rows_at(micro, ["random-read", "random-write", "two-threads"], [50], FILE).line(
            "random read and write at 50%, file, one thread and two", 1.0),
        rows_at(micro, ["random-read", "random-write"], [50], ZRAM).line(
            "random read and write at 50%, compressed", 0.6),
        rows_at(micro, ["zipf"], [50, 25], ZRAM).line("Zipf mix at 50% and 25%, compressed", 0.7),
        rows_at(micro, ["zipf"], [50, 25], FILE).line("Zipf mix at 50% and 25%, file", 0.7),
        rows_at(programs, names, [50], ZRAM).line("programs at 50%, compressed, geometric mean", 0.8, True),
        rows_at(programs, names, [50], FILE).line("programs at 50%, file, geometric mean", 0.8, True),
        bookkeeping(basics).line("bookkeeping memory", 0.01),
    ]
    return [l for l in found if l.ratios or l.missing]


def worst(line):
    """The number that is held against the limit."""
    ratios = [r for _, r in line.ratios]
    if not ratios:
        return None
    return statistics.geometric_mean(ratios) if line.mean else max(ratios)


def verdicts(tables):
    """For JSON: every line with its number, and whether it is met; None, where it is not known."""
    out = []
    for l in lines(tables):
        ratio = worst(l)
        met = None if ratio is None else ratio <= l.most
        # Where the other side does not finish there is nothing to compare; where we do not, there is.
        if met and any(ours for _, _, ours in l.missing):
            met = None
        out.append({"work": l.work, "against": l.against, "at_most": l.most, "ratio": ratio, "met": met,
                    "of": [{"what": w, "ratio": r} for w, r in l.ratios],
                    "missing": [{"what": w, "why": why} for w, why, _ in l.missing]})
    return out


def table(found):
    text = ["| Work | Against | At most | Measured | Met | Of it |", "|---|---|---:|---:|---|---|"]
    for v in found:
        of = ["%s %.*f" % (o["what"], 4 if v["at_most"] < 0.1 else 2, o["ratio"]) for o in v["of"]]
        of += ["%s: %s" % (m["what"], m["why"]) for m in v["missing"]]
        digits = 4 if v["at_most"] < 0.1 else 2
        measured = "–" if v["ratio"] is None else "%.*f" % (digits, v["ratio"])
        met = {True: "yes", False: "**no**", None: "not known"}[v["met"]]
        text.append("| %s | %s | %g | %s | %s | %s |" % (
            v["work"], v["against"], v["at_most"], measured, met, "; ".join(of)))
    return "\n".join(text) + "\n"
