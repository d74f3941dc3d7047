"""A file written as the guide says is always a whole one, whoever kills the writer."""

import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from skgd import GDClassifier

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "checkpoints.rst"


def code_of_the_guide():
    block = re.search(
        r"code-block:: python\n\n((?:   .*\n|\n)+?)\nAfter loading",
        GUIDE.read_text("utf-8"),
    )[1]
    return "\n".join(line[3:] for line in block.splitlines())


WRITER = """
{save}
import sys
import numpy as np
from skgd import GDClassifier

rng = np.random.default_rng(0)
X = rng.normal(size=(50, 2000))
y = np.arange(50) % 2
model = GDClassifier(lr=0.01)
while True:
    model.partial_fit(X, y, classes=[0, 1])
    save(model, sys.argv[1])
    print(model.t_, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_while_it_saves(tmp_path):
    path = tmp_path / "model.pickle"
    script = tmp_path / "writer.py"
    script.write_text(WRITER.format(save=code_of_the_guide()))
    child = subprocess.Popen(
        [sys.executable, str(script), str(path)], stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    time.sleep(0.3)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with open(path, "rb") as file:
        model = pickle.load(file)
    assert isinstance(model, GDClassifier)
    X = np.random.default_rng(0).normal(size=(50, 2000))
    before = model.t_
    assert model.partial_fit(X, np.arange(50) % 2).t_ > before


KILLED = """
{save}
import signal
import sys
import numpy as np
from skgd import GDClassifier

def die(*arguments, **others):
    os.kill(os.getpid(), signal.SIGKILL)

def half(model, file):
    content = pickle.dumps(model)
    file.write(content[: len(content) // 2])
    file.flush()
    die()

rng = np.random.default_rng(0)
X, y = rng.normal(size=(50, 2000)), np.arange(50) % 2
model = GDClassifier(lr=0.01).partial_fit(X, y, classes=[0, 1])
save(model, sys.argv[1])
print(model.t_, flush=True)
model.partial_fit(X, y)
if sys.argv[2] == "dump":
    pickle.dump = half
else:
    setattr(os, sys.argv[2], die)
save(model, sys.argv[1])
print("not reached", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("where", ["dump", "fsync", "replace"])
def test_killed_at_each_step(where, tmp_path):
    """In the middle of the file, and on either side of the flush: the last stays."""
    path, script = tmp_path / "model.pickle", tmp_path / "writer.py"
    script.write_text(KILLED.format(save=code_of_the_guide()))
    done = subprocess.run(
        [sys.executable, str(script), str(path), where],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "model.pickle.new").exists()
    model = pickle.loads(path.read_bytes())
    assert done.stdout.split() == [str(model.t_)]
