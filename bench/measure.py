"""How ./dev bench measures a row: rounds, in each of which every variant runs once.

So whatever else the machine does meets all variants alike. One that is killed is not tried
again; in place of its numbers is then why.
"""
from common import LIMIT_S, OutOfMemory, TooLong, say
from compared import label


def attempt(row, variant, head):
    """A list of numbers, or a dictionary that says why there is none."""
    try:
        numbers = row.run(variant)
    except TooLong:
        why, text = {"killed": TooLong.__name__}, "killed after %d s" % LIMIT_S
    except OutOfMemory:
        why, text = {"killed": OutOfMemory.__name__}, "killed by the kernel for want of memory"
    except RuntimeError as e:
        why, text = {"failed": str(e)}, "FAILED: %s" % e
    else:
        say("%s: %s: %s" % (head, label(variant), ", ".join(
            "%s %.*f %s" % ((f.what if i else ""), f.digits, x, f.unit)
            for i, (f, x) in enumerate(zip(row.figures, numbers))).strip()))
        return numbers
    say("%s: %s: %s" % (head, label(variant), text))
    return why


def rounds_of(name, row, rounds, values):
    for n in range(1, rounds + 1):
        head = "%s: round %d of %d" % (name, n, rounds)
        for variant, got in values.items():
            if isinstance(got, dict):
                continue
            numbers = attempt(row, variant, head)
            if isinstance(numbers, dict):
                values[variant] = numbers
            else:
                got.append(numbers)


def measure(name, row, rounds, bench):
    """What is reported of the row, and how many variants failed."""
    say("%s: preparing" % name)
    row.prepare(bench)
    values = {}
    wanted = list(row.variants)
    while wanted:
        more = {variant: [] for variant in wanted}
        rounds_of(name, row, rounds, more)
        values.update(more)
        wanted = row.more(values)
    bad = sum(isinstance(v, dict) and "failed" in v for v in values.values())
    return row.entries(name, values), bad
