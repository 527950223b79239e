"""A run as every command that trains lives it: from what it is made from to its model."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bert_keras.config import DistributionConfig, FinetuneConfig, PretrainConfig, to_tables
from bert_keras.modeling.model import BertModel
from bert_keras.saving.mark import RunMark
from bert_keras.saving.run import write_description
from bert_keras.saving.run_state import MODEL_FOLDER
from bert_keras.tokenization import Tokenizer
from bert_keras.training.base import base_of_start, source_of_start, start_of_run
from bert_keras.training.circumstances import circumstances
from bert_keras.training.curves import plot_curves
from bert_keras.training.strategy import is_chief, make_strategy
from bert_keras.training.workdir import (
    check_folder,
    check_owner,
    is_finished,
    model_written,
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


class Run:
    """A run in its work directory, shared by the processes that train as one.

    In this order::

        with run.agreement(...):          # reads, and checks that all workers found the same
            run.set_sources(config, data)
        with run.locked():
            if not run.is_finished():
                run.begin(config, model)
                ...                     # trains in run.workdir
                with run.finishing() as path:
                    save(model, path)

    Args:
        command: ``"pretrain"`` or ``"finetune"``.
        workdir: Its work directory.
        distribution: The recipe's table.

    Attributes:
        strategy: Which devices share a step.
        workdir: Where this process writes: the run's directory, or while it is locked a temporary
            one of a worker that is not the chief.
        mark: What the run is made from.

    Raises:
        InputError: When there are no such devices.
    """

    mark: RunMark
    config: Config

    def __init__(self, command: str, workdir: str | Path, distribution: DistributionConfig) -> None:
        self.command = command
        self.workdir = self._shared = Path(workdir)
        self.strategy = make_strategy(distribution)

    @property
    def model_path(self) -> Path:
        """Where the run's model is once it has finished."""
        return self._shared / MODEL_FOLDER

    @contextmanager
    def agreement(self, *inputs: str | Path | None) -> Iterator[None]:
        """Reads what the run is made from in the block, which ends when all workers agree.

        Args:
            inputs: The paths of what the run reads.

        Raises:
            InputError: When the folder is one of them or somebody else's, or the workers disagree.
            WorkerLost: When another worker is gone.
        """
        with lost_workers_named(self.strategy), agreement(self.strategy) as found:
            check_folder(self.workdir, *inputs)
            yield
            found |= contents_of(self.mark.config, self.mark.data, self.mark.base)

    def with_start(self, config: C, init: str | Path | None) -> C:
        """The config with the very model that ``init``, else the recipe, names as its start."""
        start = start_of_run(self.workdir, str(init or config.model.init))
        return config.replace(model=dataclasses.replace(config.model, init=start))

    def set_sources(self, config: Config, data: Mapping[str, Any]) -> None:
        """Sets what the run is made from.

        Args:
            config: The recipe.
            data: What it learns from, by content.

        Raises:
            InputError: When the run that began in the folder is made from something else.
        """
        self.config = config
        self.mark = RunMark(
            command=self.command,
            config=to_tables(config),
            data=data,
            base=base_of_start(self.workdir, config.model.init),
            circumstances=circumstances(self.strategy),
        )
        check_owner(self.workdir, self.mark, config)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps every other process out of the work directory.

        Raises:
            InputError: When another process is training there, or a run of other sources began.
            WorkerLost: When another worker is gone.
        """
        with (
            lost_workers_named(self.strategy),
            writable_workdir(self.strategy, self._shared) as own,
        ):
            self.workdir = own
            check_owner(own, self.mark, self.config)
            yield

    def is_finished(self) -> bool:
        """Tell whether the run has its model, as it wrote it."""
        return is_finished(self.workdir)

    def start(self) -> str:
        """The model to open first: ``model.init``, or the newest checkpoint where that is gone."""
        return source_of_start(self.workdir, self.config.model.init)

    def begin(self, config: Config, model: BertModel, tokenizer: Tokenizer | None = None) -> None:
        """Writes the run's mark, ``config.toml`` and what opens its checkpoints as models.

        Args:
            config: The recipe, with what follows from the data filled in.
            model: What it trains.
            tokenizer: By default the one that the model was loaded with.
        """
        write_mark(self.workdir, dataclasses.replace(self.mark, config=to_tables(config)), config)
        if is_chief(self.strategy):
            write_description(model, self.workdir, tokenizer)

    @contextmanager
    def finishing(self) -> Iterator[Path]:
        """Draws the curves and yields where the model goes; with it the run has finished."""
        plot_curves(self.workdir)
        with model_written(self.workdir) as path:
            yield path
