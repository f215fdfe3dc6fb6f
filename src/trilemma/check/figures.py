"""Figures of samples: percentiles by the nearest rank, so that each is a value that was measured.

Source: Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50(4), 1996 (type 1).
"""

from collections.abc import Sequence
from math import ceil


def percentile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest sample that at least a share of all samples do not exceed; 0 where there are none.

    Args:
        ordered: samples in ascending order.
        share: from 0.0 to 1.0.
    """
    if not ordered:
        return 0
    return ordered[min(len(ordered), max(1, ceil(share * len(ordered)))) - 1]
