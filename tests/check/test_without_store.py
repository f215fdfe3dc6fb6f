"""Checking needs none of the store's libraries: a history is judged where importing them fails."""

import subprocess
import sys
from pathlib import Path

import trilemma

SOURCES = Path(trilemma.__file__).parents[1]

PATIENCE_S = 300.0

PROGRAM = """
import importlib, importlib.abc, io, pkgutil, sys

FORBIDDEN = ("rocksdict", "uvloop", "hiredis", "redis", "sortedcontainers", "structlog", "prometheus_client", "typer")

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not to be imported")
        return None

sys.meta_path.insert(0, Refuse())
import trilemma.check
for module in pkgutil.walk_packages(trilemma.check.__path__, "trilemma.check."):
    importlib.import_module(module.name)

from trilemma.check.formats.file import read_history
from trilemma.check.formats.register_scan import check_register_lines
from trilemma.check.formats.stream import Held
from trilemma.check.formats.writer import write
from trilemma.check.judges import guess_judge, judge

edn = b'''[{:process 0 :type :invoke :f :write :value 1} {:process 0 :type :ok :f :write :value 1}
          {:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value nil}]'''
operations = read_history(Held(edn)).operations
file = io.BytesIO()
write(file, operations)
file.seek(0)
print(judge(operations, guess_judge(operations)).verdicts[0].validity.value, check_register_lines(file).validity.value)
loaded = {name.split(".")[0] for name in sys.modules} & set(FORBIDDEN)
store = [name for name in sys.modules if name.startswith(("trilemma.node", "trilemma.runtime", "trilemma.storage"))]
print(sorted(loaded), store)
"""


def test_a_history_is_judged_where_the_libraries_of_the_store_cannot_be_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split("\n")[:2] == ["invalid invalid", "[] []"]
