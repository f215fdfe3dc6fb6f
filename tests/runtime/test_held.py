"""No frame leaves before its token."""

from trilemma.runtime.held import HeldFrames


def test_frames_leave_with_their_token_and_not_before() -> None:
    held = HeldFrames()
    held.hold(2, b"late", 7)
    held.hold(3, b"soon", 4)
    assert held.release(3) == []
    assert held.release(6) == [(3, b"soon")]
    assert held.release(7) == [(2, b"late")]
    assert held.release(9) == []
