"""Where today's numbers are not those of ``values.json``."""

from collections.abc import Iterator
from typing import Any

from tests.golden.write import compute, stored

# By how much numbers may differ, as a share of the largest of their list, and of 0.01 at least:
# another processor, or another number of threads, sums up in another order. A sum of some thousand
# float32 products is then good to a few times 1e-7, and a few layers and steps behind one another
# to some 1e-6. What is wrong shows in the first three digits.
TOLERANCE = 1e-5
# Activations are rounded to whole numbers of 1/127 of their range on the way: one that lies
# between two may go either way, and each layer adds up over a hundred of them.
TOLERANCES = {"quantized": 5e-3}
_SMALLEST = 0.01


def differences(key: str, before: Any, now: Any, tolerance: float) -> Iterator[str]:
    """Where two values are not the same: floats by more than the tolerance, the rest at all."""
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        for name in before:
            yield from differences(f"{key}, {name}", before[name], now[name], tolerance)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        if before and all(isinstance(number, float) for number in (*before, *now)):
            scale = max(_SMALLEST, *map(abs, before))
            for place, pair in enumerate(zip(before, now, strict=True)):
                if abs(pair[0] - pair[1]) > tolerance * scale:
                    yield f"{key}[{place}]: {pair[0]!r} was, {pair[1]!r} is"
        else:
            for place, pair in enumerate(zip(before, now, strict=True)):
                yield from differences(f"{key}[{place}]", *pair, tolerance)
    elif isinstance(before, float) and isinstance(now, float):
        if abs(before - now) > tolerance * max(_SMALLEST, abs(before)):
            yield f"{key}: {before!r} was, {now!r} is"
    elif type(before) is not type(now) or before != now:
        yield f"{key}: {before!r} was, {now!r} is"


def check(group: str) -> None:
    """Fails unless today's code gives the stored values of a group; names the ones that differ."""
    golden, tolerance = stored()["values"][group], TOLERANCES.get(group, TOLERANCE)
    found = list(differences(group, golden, compute(group), tolerance))
    lines = [f"{len(found)} golden values of {group} are others now:", *found[:20]]
    assert not found, "\n".join(lines)
