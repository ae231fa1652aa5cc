"""A row that is measured on all sides and in several sizes: what micro.py and programs.py share.

A case is one line of the table: the kind of pages, if there are kinds, and the limit in
percent of the memory that the program needs. What has no limit is measured once a round, and
stands in each line.
"""
import collections

from common import OutOfMemory, Row, nth, spread
from sides import LIMITED

Variant = collections.namedtuple("Variant", "side percent pages")


class Compared(Row):
    # of the subclass: sizes in percent, kinds of pages, sides that have no limit
    percents, kinds, unlimited = (), (None,), ()

    def choose(self, bench):
        """Sets the variants, those that can be had."""
        self.sides = {name: side for name, side in bench.sides.items() if not side.why_not}
        self.sizes = [p for p in self.percents if bench.percents is None or p in bench.percents]
        self.variants = []
        for pages in self.kinds:
            self.variants += [Variant(side, None, pages) for side in self.unlimited]
            self.variants += [Variant(side, percent, pages) for percent in self.sizes
                              for side in LIMITED if side in self.sides]

    def entries(self, name, values):
        cases = sorted({(self.kinds.index(v.pages), -v.percent) for v in values if v.percent})
        return [self.entry(name, values, self.kinds[kind], -percent) for kind, percent in cases]

    def entry(self, name, values, pages, percent):
        f = self.figures[0]
        of_case = {v.side: runs for v, runs in values.items()
                   if v.pages == pages and v.percent in (None, percent)}
        return {"name": name, "what": f.what, "unit": f.unit, "digits": f.digits,
                "pages": pages, "percent": percent, "limit_bytes": self.limit_bytes(percent),
                "variants": {side: spread(nth(runs, 0)) for side, runs in of_case.items()},
                "others": {g.what: {side: spread(nth(runs, i)) for side, runs in of_case.items()}
                           for i, g in enumerate(self.figures) if i}}

    def limit_bytes(self, percent):
        """None for None."""
        raise NotImplementedError


def label(variant):
    """For what is said while it runs."""
    if not isinstance(variant, Variant):
        return variant
    size = ["at %d%%" % variant.percent] if variant.percent else []
    return ", ".join([variant.side] + size + [variant.pages] * bool(variant.pages))


def ran_out(runs):
    return isinstance(runs, dict) and runs.get("killed") == OutOfMemory.__name__
