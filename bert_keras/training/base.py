"""The model that a run starts from: found, told by content, and done without once it is gone."""

import logging
from pathlib import Path

from bert_keras.saving.fingerprint import fingerprint
from bert_keras.saving.run import is_there, located
from bert_keras.saving.run_state import BEST_FOLDER, CHECKPOINTS_FOLDER, MODEL_FOLDER, steps_in
from bert_keras.training.workdir import begun_run

_logger = logging.getLogger("bert_keras")


def start_of_run(workdir: Path, given: str) -> str:
    """``model.init`` as the run that has begun in a work directory wrote it down, else located.

    A run starts from a model that stays the same: where ``given`` is another run, that is its
    ``model/``, or its best model or newest checkpoint so far. The other may go on or finish
    before this one is started again, which then is still the same run.

    Raises:
        InputError: When ``given`` is a run without a model or a checkpoint.
    """
    recorded = _recorded_start(workdir)
    of_run = recorded.rpartition("@")[0] or str(Path(recorded).parent)
    is_found = "@" in recorded or Path(recorded).name in (BEST_FOLDER, MODEL_FOLDER)
    if given and is_found and Path(of_run) == Path(given):
        return recorded
    return given and str(located(Path(given)))


def base_of_start(workdir: Path, init: str) -> dict[str, str]:
    """The content of the model that a run starts from; empty where that is random or gone.

    Raises:
        InputError: When it is not there, and no run that began from it can go on without it.
    """
    if not init:
        return {}
    if not is_there(Path(init)) and init == _recorded_start(workdir):
        _logger.info("%s is gone; the run in %s goes on from its own checkpoint", init, workdir)
        return {}
    return fingerprint(Path(init))


def source_of_start(workdir: Path, init: str) -> str:
    """The model to open for ``model.init``: the run's own newest checkpoint where that is gone.

    Its weights are those that the run goes on with; of a model that is gone only architecture and
    tokenizer are needed, and a checkpoint has them.
    """
    own = steps_in(workdir / CHECKPOINTS_FOLDER)
    return init if not own or is_there(Path(init)) else f"{workdir}@{own[-1]}"


def _recorded_start(workdir: Path) -> str:
    """``model.init`` of the run that has begun in a work directory; empty where none has."""
    mark = begun_run(workdir)
    return str(mark.config.get("model", {}).get("init", "")) if mark else ""
