"""A run, from its sources to its model, as every command that trains goes through it."""

import dataclasses
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bert_keras.config import (
    DistributionConfig,
    FinetuneConfig,
    OptimizerConfig,
    PretrainConfig,
    TaskDataConfig,
    to_tables,
)
from bert_keras.hub import HubName, pinned, pinned_data
from bert_keras.modeling.model import BertModel
from bert_keras.objectives import is_compiled
from bert_keras.optimizers import LAMB, AdamW, WarmupLinearDecay
from bert_keras.saving.fingerprint import fingerprint
from bert_keras.saving.mark import RunMark
from bert_keras.saving.run import is_there, located, version_of_best, write_description
from bert_keras.saving.run_state import BEST_FOLDER, CHECKPOINTS_FOLDER, MODEL_FOLDER, steps_in
from bert_keras.tokenization import Tokenizer
from bert_keras.training.circumstances import circumstances
from bert_keras.training.curves import plot_curves
from bert_keras.training.ending import has_model, is_finished, model_written
from bert_keras.training.metrics import read_metrics
from bert_keras.training.strategy import is_chief, make_strategy
from bert_keras.training.workdir import (
    begun_run,
    check_folder,
    check_owner,
    left_open,
    write_mark,
)
from bert_keras.training.workers import (
    agreement,
    contents_of,
    lost_workers_named,
    writable_workdir,
)

Config = PretrainConfig | FinetuneConfig
C = TypeVar("C", PretrainConfig, FinetuneConfig)
_OPTIMIZERS: dict[str, type[AdamW]] = {"adamw": AdamW, "lamb": LAMB}
_logger = logging.getLogger("bert_keras")


class Run:
    """A run in its work directory, shared by the processes that train as one.

    In this order::

        with run.agreement(...):        # all workers read the same
            config = run.with_start(config, model)
            run.set_sources(config, data)
        with run.locked():
            if not run.is_finished():
                start = run.start()     # the base model, where there is one
                ...                     # a model and an optimizer
                run.begin(config, model)
                ...                     # training in run.workdir
                with run.finishing() as path:
                    save(model, path)

    Args:
        command: ``"pretrain"`` or ``"finetune"``.
        workdir: Its work directory.
        distribution: The recipe's table.

    Attributes:
        strategy: Which devices share a step.
        workdir: Where this process writes: the run's directory, or in ``locked``, on a worker that
            is not the chief, a temporary one.
        mark: The sources of the run.

    Raises:
        InputError: When the machine has no such devices.
    """

    mark: RunMark
    config: Config

    def __init__(self, command: str, workdir: str | Path, distribution: DistributionConfig) -> None:
        self.command = command
        self.workdir = self._shared = Path(workdir)
        self.strategy = make_strategy(distribution)

    @property
    def model_path(self) -> Path:
        """The directory of the finished run's model."""
        return self._shared / MODEL_FOLDER

    @contextmanager
    def agreement(self, *inputs: str | Path | None) -> Iterator[None]:
        """A block that reads the run's sources, and ends when all workers have read the same.

        Args:
            inputs: The paths that the run reads.

        Raises:
            InputError: When the work directory is one of the inputs or holds a model or files that
                are not a run's, or the workers disagree.
            WorkerLost: When another worker is gone.
        """
        with lost_workers_named(self.strategy), agreement(self.strategy) as found:
            check_folder(self.workdir, *inputs)
            yield
            found |= contents_of(self.mark.config, self.mark.data, self.mark.base)

    def with_start(self, config: C, init: str | Path | None) -> C:
        """The config with the path of the model that ``init`` or the recipe names to start from."""
        start = _start_of_run(self.workdir, str(init or config.model.init))
        return config.replace(model=dataclasses.replace(config.model, init=start))

    def with_commits(self, data: TaskDataConfig) -> TaskDataConfig:
        """The table of the data, where data sets and models (a teacher) of the hub have commits."""
        recorded = {name: str(value) for name, value in _recorded(self.workdir, "data").items()}
        settings = {
            name: pinned(value, recorded.get(name, "")) if isinstance(value, str) else value
            for name, value in data.settings.items()
        }
        train, dev = (pinned_data(getattr(data, s), recorded.get(s, "")) for s in ("train", "dev"))
        return dataclasses.replace(data, train=train, dev=dev, settings=settings)

    def set_sources(self, config: Config, data: Mapping[str, Any]) -> None:
        """Set the run's sources.

        Args:
            config: The recipe.
            data: The identity of the data.

        Raises:
            InputError: When the run that began in the work directory has other sources.
        """
        self.config = config
        self.mark = RunMark(
            command=self.command,
            config=to_tables(config),
            data=data,
            base=_base_of_start(self.workdir, config.model.init),
            circumstances=circumstances(self.strategy),
            left_open=left_open(config),
        )
        check_owner(self.workdir, self.mark, config, self.strategy)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A block in which no other process may use the work directory.

        Raises:
            InputError: When another process is training there, or a run of other sources began.
            WorkerLost: When another worker is gone.
        """
        with (
            lost_workers_named(self.strategy),
            writable_workdir(self.strategy, self._shared) as own,
        ):
            self.workdir = own
            check_owner(own, self.mark, self.config, self.strategy)
            yield

    def has_model(self) -> bool:
        """Tell whether the run's ``model/`` is there, so that it need not train."""
        return has_model(self.workdir)

    def is_finished(self) -> bool:
        """Tell whether the run has its model, as it wrote it."""
        return is_finished(self.workdir)

    def start(self) -> str:
        """The model to open: ``model.init``, or the run's newest checkpoint where that is gone.

        Of a model that is gone only architecture and tokenizer are needed, and a checkpoint has
        them: its weights are then overwritten by the checkpoint's.
        """
        init = self.config.model.init
        own = steps_in(self.workdir / CHECKPOINTS_FOLDER)
        is_gone = bool(init) and not self.mark.base
        return f"{self.workdir}@{own[-1]}" if own and is_gone else init

    def begin(self, config: Config, model: BertModel, tokenizer: Tokenizer | None = None) -> None:
        """Write the run's mark, ``config.toml`` and the files by which its checkpoints are loaded.

        Args:
            config: The recipe, completed from the data.
            model: The model to be trained.
            tokenizer: By default the model's own.
        """
        mark = dataclasses.replace(self.mark, config=to_tables(config))
        write_mark(self.workdir, mark, config, self.strategy)
        if is_chief(self.strategy):
            self._log_devices(config.train.jit_compile)
            write_description(model, self.workdir, tokenizer)

    def _log_devices(self, jit_compile: bool | str) -> None:
        """Say on what the run trains, and whether XLA compiles its steps."""
        _logger.info(
            "training on %s, %s by XLA (train.jit_compile = %s)",
            self.mark.circumstances["devices"],
            "compiled" if is_compiled(jit_compile, self.strategy) else "not compiled",
            json.dumps(jit_compile),
        )

    @contextmanager
    def finishing(self) -> Iterator[Path]:
        """A block that writes the model to the path it is given, and so finishes the run."""
        if read_metrics(self.workdir):
            plot_curves(self.workdir)
        with model_written(self.workdir) as path:
            yield path


def make_optimizer(
    settings: OptimizerConfig,
    steps: int,
    rate_factors: Mapping[str, float] | None = None,
    precision: str = "float32",
) -> AdamW:
    """The optimizer and the schedule of ``[optimizer]`` over a run of ``steps`` updates.

    Args:
        settings: The table.
        steps: The run's updates; after the last the learning rate is 0.
        rate_factors: As in ``AdamW``.
        precision: The model's; in ``"mixed_float16"`` the loss is scaled.
    """
    return _OPTIMIZERS[settings.name](
        WarmupLinearDecay(settings.learning_rate, round(settings.warmup_ratio * steps), steps),
        weight_decay=settings.weight_decay,
        beta_1=settings.beta_1,
        beta_2=settings.beta_2,
        epsilon=settings.epsilon,
        clip_norm=settings.clip_norm,
        bias_correction=settings.bias_correction,
        rate_factors=rate_factors,
        loss_scaling=precision == "mixed_float16",
    )


def _start_of_run(workdir: Path, given: str) -> str:
    """The path of the model that ``given`` names; in a run that has begun, the one it recorded.

    Of another run that is its ``model/``, its best model or its newest checkpoint. That run may
    write a newer one before this run is resumed, which still began from the recorded one. Of a
    name on the hub it is the name with its commit.

    Raises:
        InputError: When ``given`` is a run without a model or a checkpoint.
    """
    recorded = _recorded_start(workdir)
    if HubName.of(given):
        return pinned(given, recorded)
    of_run = recorded.rpartition("@")[0] or str(Path(recorded).parent)
    is_found = "@" in recorded or Path(recorded).name in (BEST_FOLDER, MODEL_FOLDER)
    if given and is_found and os.path.realpath(of_run) == os.path.realpath(given):
        return recorded
    return given and str(located(Path(given)))


def _base_of_start(workdir: Path, init: str) -> dict[str, str]:
    """The hashes of the model that a run starts from; empty for random weights or a model gone.

    The best model of another run is gone too where that run has replaced it by a better one.

    Raises:
        OSError: When the model is gone, and no run that began from it can be resumed.
    """
    if not init:
        return {}
    begun = begun_run(workdir)
    resumes = begun is not None and init == _recorded_start(workdir)
    if resumes and not is_there(init):
        change = "is gone"
    else:
        found = fingerprint(Path(init))
        is_best = version_of_best(Path(init)) is not None
        if not (begun and resumes and is_best and found != begun.base):
            return found
        change = "has been replaced by a better model"
    _logger.info("%s %s; the run in %s resumes from its own checkpoint", init, change, workdir)
    return {}


def _recorded_start(workdir: Path) -> str:
    """``model.init`` of the run that has begun in a work directory; empty where none has."""
    return str(_recorded(workdir, "model").get("init", ""))


def _recorded(workdir: Path, table: str) -> Mapping[str, Any]:
    """A table of the recipe of the run that has begun in a work directory."""
    mark = begun_run(workdir)
    return mark.config.get(table, {}) if mark else {}
