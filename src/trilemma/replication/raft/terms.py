"""The term of every index that the log still covers, as runs: a leader writes long stretches of one term.

Knows no payloads. It is what lets a lagging peer be probed without reading the disk (paper §5.3, end).
"""

from bisect import bisect_right


class TermRuns:
    """Terms of the indexes base..last; the base index itself is known although its entry is gone."""

    __slots__ = ("_firsts", "_terms", "last_index")

    def __init__(self, base_index: int, base_term: int) -> None:
        self.last_index = base_index
        self._firsts = [base_index]
        self._terms = [base_term]

    @property
    def base_index(self) -> int:
        """The lowest index known."""
        return self._firsts[0]

    @property
    def last_term(self) -> int:
        """The term of the last index."""
        return self._terms[-1]

    def at(self, index: int) -> int | None:
        """Return the term of an index, None outside base..last."""
        if not self._firsts[0] <= index <= self.last_index:
            return None
        return self._terms[bisect_right(self._firsts, index) - 1]

    def append(self, term: int) -> int:
        """Add the next index; return it."""
        self.last_index += 1
        if term != self._terms[-1]:
            self._firsts.append(self.last_index)
            self._terms.append(term)
        return self.last_index

    def truncate(self, last_index: int) -> None:
        """Forget all above an index that is not below the base."""
        keep = bisect_right(self._firsts, last_index)
        del self._firsts[keep:]
        del self._terms[keep:]
        self.last_index = last_index

    def compact(self, base_index: int) -> None:
        """Forget all below an index, which becomes the base."""
        first = bisect_right(self._firsts, base_index) - 1
        del self._firsts[:first]
        del self._terms[:first]
        self._firsts[0] = base_index

    def name_base(self, term: int) -> None:
        """Say which term the base has, where that was not known."""
        self._terms[0] = term

    def last_at_most(self, index: int, term: int) -> int:
        """Return the highest index <= `index` whose term is <= `term`; the one before the base where none is known."""
        index = min(index, self.last_index)
        run = bisect_right(self._firsts, index) - 1
        while run >= 0 and self._terms[run] > term:
            index = self._firsts[run] - 1
            run -= 1
        return max(index, 0)
