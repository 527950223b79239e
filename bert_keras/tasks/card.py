"""The card of a fine-tuned model: its ``README.md``, with the front matter of Hugging Face's hub.

It names data and base model by the ends of their paths and by hashes, and has no date, so that the
same run writes the same card wherever it lies.
"""

import inspect
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w

from bert_keras.config import FinetuneConfig, to_tables
from bert_keras.hub import DATA_PREFIX, HubName
from bert_keras.objectives import Objective, SupervisedObjective
from bert_keras.saving.mark import RunMark
from bert_keras.saving.run_state import BEST_FOLDER, MODEL_FOLDER
from bert_keras.tasks.task import Task

_TABLES = ("model", "data", "optimizer", "train")  # those that the weights depend on
_STEP = re.compile(r"@\d+$")  # behind the path of a run
_LIBRARIES = ("bert_keras", "tensorflow", "keras", "numpy")


@dataclass(frozen=True, kw_only=True)
class CardWriter:
    """The card of a run's models, which differ in their step and scores.

    Attributes:
        task: The task, with its labels.
        config: The resolved recipe.
        mark: The run's sources.
        objective: What training minimizes.
        is_pair: Whether an example is two texts.
        family: The ``model_type`` of the models.
    """

    task: Task
    config: FinetuneConfig
    mark: RunMark
    objective: Objective
    is_pair: bool
    family: str = "bert"

    def card(self, step: int, scores: Mapping[str, float]) -> str:
        """The card of the model of a step.

        Args:
            step: The updates of its weights.
            scores: Its scores on the dev examples; empty without any.
        """
        train = self.config.train
        facts = {
            "base model": ", ".join(_named(self.config.model.init, self.mark.base)),
            "task": f"`{self.task.name}`",
            "labels": ", ".join(f"`{label}`" for label in self.task.labels),
            "training examples": self._data("train"),
            "dev examples": self._data("dev"),
            **self._other_models(),
            "objective": f"`{_shown(self.objective)}`",
            "steps": f"{step:,} of {train.steps:,}, of {train.batch_size} examples each",
            "optimizer": f"{self.config.optimizer.name}, learning rate "
            f"{self.config.optimizer.learning_rate:g}",
            "made with": ", ".join(
                f"{name} {self.mark.circumstances[name]}"
                for name in _LIBRARIES
                if name in self.mark.circumstances
            ),
        }
        parts = [
            "---\n" + _yaml(self._front_matter(scores)) + "---",
            f"# {self.task.title}: {self._base()}, fine-tuned",
            _table({name: value for name, value in facts.items() if value}),
        ]
        if scores:
            shown = {f"`{name}`": f"{value:.4f}" for name, value in scores.items()}
            text = "## Scores\n\nOn the dev examples, by which this step was chosen."
            parts += [text, _table(shown)]
        parts += [
            "## Use\n\nFrom the folder that holds this one:",
            _code("python", self._usage()),
            *self._elsewhere(),
            "## Recipe",
            _code("toml", tomli_w.dumps(self._recipe())),
        ]
        return "\n\n".join(parts) + "\n"

    def _front_matter(self, scores: Mapping[str, float]) -> dict[str, Any]:
        """The keys that the hub reads."""
        library = "sentence-transformers" if self.task.usage_in_sentence_transformers() else ""
        tag = self.task.pipeline_tag
        base = HubName.of(self.config.model.init)  # the hub takes no other name
        values: dict[str, Any] = {
            "library_name": library or "transformers",
            "pipeline_tag": tag,
            "tags": [name for name in (library, self.family, "keras", "bert_keras") if name],
            "base_model": base.repo if base else "",
        }
        if scores:
            kinds = {"type": tag or self.task.name}
            dataset = self._source("dev") or self._source("train")
            values["model-index"] = [
                {
                    "name": f"{self._base()}-{self.task.name}",
                    "results": [
                        {
                            "task": kinds,
                            "dataset": {"name": dataset, "type": dataset, "split": "dev"},
                            "metrics": [
                                {"type": name, "name": name, "value": round(float(value), 6)}
                                for name, value in scores.items()
                            ],
                        }
                    ],
                }
            ]
        return {name: value for name, value in values.items() if value}

    def _usage(self) -> str:
        lines = ["import bert_keras", "", f'model = bert_keras.load("{MODEL_FOLDER}")']
        return "\n".join([*lines, self.task.usage(self.is_pair)])

    def _elsewhere(self) -> list[str]:
        """The lines that use the model in sentence-transformers, where that opens it."""
        lines = self.task.usage_in_sentence_transformers()
        return ["In sentence-transformers:", _code("python", lines)] if lines else []

    def _base(self) -> str:
        return _name_of(self.config.model.init)

    def _other_models(self) -> dict[str, str]:
        """The further models that a run learns from, as a teacher, by their keys of ``[data]``."""
        given = self.config.data.settings
        return {
            name: ", ".join(_named(str(given[name]), files))
            for name, files in self.mark.data.items()
            if name not in ("train", "dev", "labels")  # which every run has
        }

    def _source(self, side: str) -> str:
        """The name of the file of a side's examples; that of a data set as it is."""
        given = str(getattr(self.config.data, side))
        return given if given.startswith(("tfds:", DATA_PREFIX)) else Path(given).name

    def _data(self, side: str) -> str:
        """A line on the examples of a side."""
        found = self.mark.data[side]
        if not found["examples"]:
            return ""
        held = f"held out of {self._source('train')}"
        name = f"`{self._source(side)}`" if self._source(side) else held
        return f"{found['examples']:,}, {name}; as they were read: {_hash(found['sha256'])}"

    def _recipe(self) -> dict[str, Any]:
        """The tables of the recipe, with names in the place of paths."""
        data = replace(self.config.data, train=self._source("train"), dev=self._source("dev"))
        init = self.config.model.init
        # With its commit, so that the recipe gives the same again.
        model = replace(self.config.model, init=init if HubName.of(init) else self._base())
        tables = to_tables(self.config.replace(data=data, model=model))
        return {name: _without_paths(tables[name]) for name in _TABLES}


def _name_of(path: str) -> str:
    """The name of a file, of a model's folder or on the hub, or of the run that it is from."""
    if name := HubName.of(path):
        return name.repo
    plain = Path(_STEP.sub("", path))
    is_of_run = plain.name in (MODEL_FOLDER, BEST_FOLDER) and plain.parent.name
    return plain.parent.name if is_of_run else plain.name


def _named(path: str, files: Mapping[str, str]) -> list[str]:
    """The name of a model, its commit where it is of the hub, and the hashes of its weights."""
    name = HubName.of(path)
    commit = [f"commit `{name.revision}`"] if name else []
    return [f"`{_name_of(path)}`", *commit, *_weights(files)]


def _weights(files: Mapping[str, str]) -> list[str]:
    """The files of a model's weights with their hashes."""
    return [
        f"`{name}` {_hash(value)}"
        for name, value in files.items()
        if Path(name).suffix not in (".json", ".txt", ".yaml")
    ]


def _without_paths(value: Any) -> Any:
    """Values with the names of files and models in the place of their paths."""
    if isinstance(value, dict):
        return {name: _without_paths(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(each) for each in value]
    is_path = isinstance(value, str) and os.sep in value and os.path.exists(_STEP.sub("", value))
    return _name_of(value) if is_path else value


def _shown(objective: Any) -> str:
    """An objective and the settings that it keeps under the names of its arguments."""
    values = {
        name: getattr(objective, name)
        for name in inspect.signature(type(objective)).parameters
        if hasattr(objective, name)
    }
    settings = [
        f"{name}={_shown(value) if isinstance(value, SupervisedObjective) else repr(value)}"
        for name, value in values.items()
        if isinstance(value, SupervisedObjective | str | int | float | tuple)
    ]
    return f"{type(objective).__name__}({', '.join(settings)})"


def _hash(value: str) -> str:
    """The beginning of a SHA-256."""
    return f"SHA-256 `{value[:16]}`"


def _table(rows: Mapping[str, str]) -> str:
    lines = ["| | |", "| --- | --- |"]
    for name, value in rows.items():
        text = " ".join(value.split()).replace("|", "\\|")
        lines.append(f"| {name} | {text} |")
    return "\n".join(lines)


def _code(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def _yaml(values: Mapping[str, Any]) -> str:
    """Values as YAML, of which JSON is a part."""
    # YAML does not join the two escapes that JSON has for a character above U+FFFF.
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    return "".join(f"{name}: {text}\n" for name, text in texts.items())
