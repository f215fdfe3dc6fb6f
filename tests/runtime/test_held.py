"""Nothing leaves before its token, and the replies of a connection leave in order."""

from hypothesis import given
from hypothesis import strategies as st

from trilemma.runtime.held import HeldFrames, HeldReplies

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), st.integers(1, 3), st.integers(1, 9)),
        st.tuples(st.just("release"), st.integers(0, 9), st.just(0)),
    ),
    max_size=40,
)


def naive_release(waiting: list[tuple[int, int, bytes]], durable: int) -> list[tuple[int, bytes]]:
    """Walk all replies in order; a connection whose reply waits lets nothing pass it."""
    blocked: set[int] = set()
    released = []
    for entry in list(waiting):
        conn, after, data = entry
        if after > durable or conn in blocked:
            blocked.add(conn)
        else:
            released.append((conn, data))
            waiting.remove(entry)
    return released


@given(STEPS)
def test_replies_leave_as_a_walk_over_all_of_them_would_let_them(steps: list[tuple[str, int, int]]) -> None:
    held = HeldReplies()
    waiting: list[tuple[int, int, bytes]] = []
    durable = 0
    for number, (what, first, after) in enumerate(steps):
        if what == "hold":
            data = b"%d" % number
            held.hold(first, data, after)
            waiting.append((first, after, data))
        else:
            durable = max(durable, first)
            found = held.release(durable)
            wanted = naive_release(waiting, durable)
            for conn in (1, 2, 3):
                assert [data for of, data in found if of == conn] == [data for of, data in wanted if of == conn]
    for conn in (1, 2, 3):
        assert held.bytes_of(conn) == sum(len(data) for of, _, data in waiting if of == conn)
        assert (conn in held) == any(of == conn for of, _, _ in waiting)


def test_a_dropped_connection_is_forgotten_though_others_wait_for_the_same_token() -> None:
    held = HeldReplies()
    held.hold(1, b"a", 5)
    held.hold(2, b"b", 5)
    held.drop(1)
    assert held.release(5) == [(2, b"b")]
    assert held.bytes_of(1) == 0


def test_frames_leave_with_their_token_and_not_before() -> None:
    held = HeldFrames()
    held.hold(2, b"late", 7)
    held.hold(3, b"soon", 4)
    assert held.release(3) == []
    assert held.release(6) == [(3, b"soon")]
    assert held.release(7) == [(2, b"late")]
    assert held.release(9) == []
