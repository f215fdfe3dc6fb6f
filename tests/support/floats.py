"""Numbers for INCRBYFLOAT, and what the store makes of them, for tests that compare it with others."""

from random import Random

from trilemma.resp.longdouble import add_long_doubles, format_long_double, parse_long_double


def random_float(rng: Random) -> bytes:
    """Draw a number: short or long, near or far from 1, or one that 64 bits hardly hold."""
    form = rng.randrange(4)
    if form == 0:
        return b"%d.%d" % (rng.randint(-1000, 1000), rng.randint(0, 10 ** rng.randint(1, 20)))
    if form == 1:
        return repr(rng.uniform(-1, 1) * 10.0 ** rng.randint(-20, 25)).encode()
    if form == 2:
        return b"%de%d" % (rng.randint(-(10**25), 10**25), rng.randint(-4975, 4915))
    return b"%d" % rng.randint(-(1 << 66), 1 << 66)


def summed(left: bytes, right: bytes) -> bytes | str:
    """Return the reply of the store to a number that is added to another: its text, or an error."""
    first, second = parse_long_double(left), parse_long_double(right)
    if first is None or second is None:
        return "ERR value is not a valid float"
    total = add_long_doubles(first, second)
    return "ERR increment would produce NaN or Infinity" if total is None else format_long_double(total)
