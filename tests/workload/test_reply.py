"""What a reply says about its command."""

import pytest

from trilemma.base.errors import REGISTRY
from trilemma.node import defect
from trilemma.workload.reply import DEFECT, judge


@pytest.mark.parametrize("name", ["defect", "defect_before", "defect_after"])
def test_a_command_that_a_defect_ended_may_have_been_carried_out(name: str) -> None:
    text = defect.refused([b"EXEC"], ValueError(), name).text
    assert text.startswith(DEFECT)
    assert REGISTRY[name].template.startswith(DEFECT)
    assert judge(RuntimeError(text)).outcome == "info"


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("CLUSTERDOWN why", "fail"), ("UNCERTAIN why", "info"), ("WRONGTYPE why", "ok"), ("ERR why", "ok")],
)
def test_other_errors_say_it_by_their_first_word(text: str, outcome: str) -> None:
    assert judge(RuntimeError(text)).outcome == outcome
