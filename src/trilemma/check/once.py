"""At most once: of all attempts under one token one takes effect, and all that are answered get the same reply.

Operations: `once` (argument: token and amount; result: the sum that the first execution made), one per attempt, and
`read`. A token's attempts are one `add`, from when the first was sent until the first answer came; what remains is a
counter, judged by bounds and by its exact final sum. An increment that was executed twice shows in the sum; one whose
reply was made anew shows in two different replies.
Source: FAULTS §2, X1 and N4. Twin: the sums written out, in the tests.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from trilemma.check.counter import check_counter, check_final_sums
from trilemma.check.history import Operation
from trilemma.check.verdict import Verdict, invalid, unknown, valid

CHECKER: Final = "first reply repeated"


def by_token(operations: Iterable[Operation]) -> dict[bytes, list[Operation]]:
    """Return the attempts of each token, in order of invocation."""
    attempts: dict[bytes, list[Operation]] = {}
    for operation in sorted(operations, key=lambda each: each.invoke_us):
        if operation.kind == "once":
            attempts.setdefault(operation.argument[0], []).append(operation)
    return attempts


def check_first_replies(operations: Iterable[Operation]) -> Verdict:
    """Judge whether all attempts of a token that were answered got the same reply; unknown where none was."""
    answered = False
    for token, attempts in by_token(operations).items():
        replies = [each for each in attempts if each.outcome == "ok"]
        answered = answered or bool(replies)
        for each in replies:
            if each.result != replies[0].result:
                reason = f"token {token!r} was answered {replies[0].result!r}, then {each.result!r}"
                return invalid(CHECKER, reason, [replies[0], each])
    return valid(CHECKER) if answered else unknown(CHECKER, "no attempt was answered")


def merged(operations: Iterable[Operation]) -> list[Operation]:
    """Return the history with each token's attempts as one `add`; other operations as they are.

    It is `ok` from the first invocation to the first answer; `fail` where every attempt was refused; else `info`.
    """
    everything = list(operations)
    adds = [_merge(attempts) for attempts in by_token(everything).values()]
    return adds + [each for each in everything if each.kind != "once"]


def _merge(attempts: list[Operation]) -> Operation:
    first = attempts[0]
    add = first._replace(kind="add", argument=first.argument[1])
    answers = [each for each in attempts if each.outcome == "ok"]
    if answers:
        answer = min(answers, key=lambda each: each.end_us)
        return add._replace(outcome="ok", complete_us=answer.complete_us, result=answer.result, node=answer.node)
    if all(each.outcome == "fail" for each in attempts):
        return add._replace(outcome="fail")
    return add._replace(outcome="info", complete_us=None)


def check_once(operations: Sequence[Operation], finals: Sequence[Operation]) -> list[Verdict]:
    """Judge a history of retried increments.

    Args:
        operations: the run.
        finals: what was sent when all had come to rest: the retries that were still owed, and then the reads.

    Cost: O(n log n).
    """
    history = merged([*operations, *finals])
    reads = [each for each in finals if each.kind == "read"]
    return [
        check_first_replies([*operations, *finals]),
        check_counter(history),
        check_final_sums([each for each in history if each.kind == "add"], reads),
    ]
