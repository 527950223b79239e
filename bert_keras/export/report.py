"""``export_report.json``: a description of an export and of its checks."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_keras._version import __version__
from bert_keras.contents import hash_file, paths_below
from bert_keras.export.answers import Answers
from bert_keras.export.comparison import TOLERANCE, Comparison
from bert_keras.export.operations import packages_needed
from bert_keras.export.outputs import Output
from bert_keras.export.signatures import ServedModel
from bert_keras.export.tf_serving import BATCHING_FILE, max_batch_size
from bert_keras.modeling.model import BertModel
from bert_keras.tokenization import Tokenizer, WordPieceTokenizer

Report = dict[str, Any]


def describe(
    version: Path,
    answers: Answers,
    served: ServedModel,
    operations: dict[str, int],
    comparison: Comparison,
    folder: Path,
) -> Report:
    """The report, of plain JSON values.

    Args:
        version: The version's final folder.
        answers: What was exported.
        served: What was saved.
        operations: The number of each operation in the graph.
        comparison: Its comparison with Keras.
        folder: The SavedModel, all its files written.
    """
    return {
        "version": str(version),
        "bert_keras": __version__,
        "tensorflow": tf.__version__,
        "model": type(answers.model).__name__,
        "labels": list(getattr(answers.model, "labels", ())),
        **decision_of(answers.model),
        "settings": _settings(answers),
        "tokenizer": _tokenizer(answers.tokenizer),
        "signatures": {
            name: {
                "inputs": _tensors(function.structured_input_signature[1]),
                "outputs": _tensors(function.structured_outputs),
            }
            for name, function in served.functions.items()
        },
        "outputs": {output.name: output.meaning for output in _by_default(answers)},
        "batching": {"file": BATCHING_FILE, "max_batch_size": max_batch_size(answers)},
        "weights": _weights(served, answers.config.weights),
        "comparison_with_keras": _compared(comparison, answers.config.weights),
        "operations": operations,
        "python_packages": packages_needed(operations),
        "files": {
            str(path.relative_to(folder)): {
                "bytes": path.stat().st_size,
                "sha256": hash_file(path),
            }
            for path in sorted(paths_below(folder))
            if path.is_file()
        },
    }


def decision_of(model: BertModel) -> Report:
    """The decision that probabilities and labels of an export are made by, where there is one."""
    own = getattr(model, "own_decision", None)
    return {"decision": own} if own else {}


def _tokenizer(tokenizer: Tokenizer) -> dict[str, Any]:
    if not isinstance(tokenizer, WordPieceTokenizer):
        return dict(tokenizer.identity)
    named = {"vocabulary_sha256": tokenizer.vocab_hash, **tokenizer.casing.to_dict()}
    added = {token.content: token.id for token in tokenizer.added}
    return named | ({"added_tokens": added} if added else {})


def _by_default(answers: Answers) -> tuple[Output, ...]:
    """The outputs of the default signature."""
    of_ids = answers.outputs_from_ids or answers.outputs
    return of_ids if answers.config.input == "tokens" else answers.outputs


def _settings(answers: Answers) -> dict[str, Any]:
    config = answers.config
    names = ("max_length", "weights", "device", "input", "pair", "max_request_tokens")
    return {name: getattr(config, name) for name in names} | answers.own_settings()


def _weights(served: ServedModel, dtype: str) -> dict[str, Any]:
    sizes = [(v.shape.num_elements(), v.dtype.size) for v in served.variables_read]
    count = sum(size for size, _ in sizes)
    return {
        "type": dtype,
        "count": count,
        "bytes": sum(size * width for size, width in sizes),
        "bytes_in_float32": 4 * count,
    }


def _compared(comparison: Comparison, dtype: str) -> dict[str, Any]:
    return {
        "texts": comparison.texts,
        "tokens": comparison.tokens,
        "longest": comparison.longest,
        "tokens_that_differ": 0,
        "largest_difference": comparison.largest_difference,
        "tolerance": TOLERANCE if dtype == "float32" else None,
        "differences": comparison.differences,
        "own_length": asdict(comparison.own_length) if comparison.own_length else None,
        "other_answers": comparison.other_answers,
    }


def _tensors(specs: dict[str, Any]) -> dict[str, Any]:
    """Dtype and shape by name, in alphabetical order."""
    return {
        name: {"dtype": spec.dtype.name, "shape": list(spec.shape)}
        for name, spec in sorted(specs.items())
    }
