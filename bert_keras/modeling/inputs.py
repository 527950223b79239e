"""The batch that a model is called with: other forms of it, and names that are not its keys."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.objectives import Batch

SEQUENCES = ("input_ids", "attention_mask", "token_type_ids")
EMBEDDINGS = "inputs_embeds"  # in place of input_ids
# By other libraries' names; passed over, padding would be attended to.
_SYNONYMS = {
    "token_ids": "input_ids",
    "input_word_ids": "input_ids",
    "tokens": "input_ids",
    "input_mask": "attention_mask",
    "padding_mask": "attention_mask",
    "mask": "attention_mask",
    "segment_ids": "token_type_ids",
    "input_type_ids": "token_type_ids",
    "type_ids": "token_type_ids",
    "label": "labels",
    "label_ids": "labels",
}
_NOT_TAKEN = {
    "position_ids": "positions count from 0",
    "head_mask": "no head is masked",
    "encoder_hidden_states": "an encoder reads nothing else",
}
_PAD = "pad them: ids with 0 and an attention_mask of 0, labels of tokens with -100"
_TEXT = (
    "input_ids are numbers, which a tokenizer makes of a text; bert_keras.predict and a sentence "
    "embedding's embed take text itself"
)


def as_batch(inputs: Any, config: BertConfig) -> Batch:
    """The batch's dictionary.

    Args:
        inputs: The dictionary; or ``input_ids`` alone, a tensor or array [B, L]. Ragged ids are
            padded, and the padding is masked.
        config: Says which ids there are.

    Raises:
        InputError: When a key is another library's name for one of ours or has no place here, or
            there is no such id, see ``check_ids``.
    """
    inputs = as_mapping(inputs)
    for name in inputs:
        ours = _SYNONYMS.get(name)
        if ours is not None:
            raise InputError(f"the batch's key {name!r} is called {ours!r} here; rename it")
        if name in _NOT_TAKEN:
            raise InputError(f"the batch's key {name!r} is not taken: {_NOT_TAKEN[name]}")
    ids = inputs.get("input_ids")
    if tf.string == getattr(ids, "dtype", None) or _is_text(ids):
        raise InputError(_TEXT)
    shape = getattr(ids, "shape", None)
    rank = np.ndim(ids) if shape is None else tf.TensorShape(shape).rank
    if ids is not None and rank is not None and rank < 2:
        raise InputError(f"input_ids: a row for each text, [B, L]. Received: {rank} dimensions")
    check_ids(inputs, config)
    if isinstance(ids, tf.RaggedTensor):
        mask = tf.ones_like(ids, tf.int32).to_tensor()
        dense = {
            name: value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
            for name, value in inputs.items()
        }
        return {"attention_mask": mask} | dense
    return dict(inputs)


def read_sequences(inputs: Batch, most: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The words, the attention mask and the token types of a batch, the latter int32 [B, L].

    Args:
        inputs: The batch.
        most: The positions that there are.

    Returns:
        The words as ids, int32 [B, L], or as ``inputs_embeds``, float32 [B, L, H].

    Raises:
        InputError: When there is neither of them or both, or a sequence is too long.
    """
    if ("input_ids" in inputs) == (EMBEDDINGS in inputs):
        raise InputError(
            "a batch has input_ids, or inputs_embeds in their place. Received: "
            f"{', '.join(inputs) or 'an empty one'}"
        )
    if "input_ids" in inputs:
        name, words = "input_ids", tf.cast(inputs["input_ids"], tf.int32)
        shaped = words
    else:
        name, words = EMBEDDINGS, tf.cast(inputs[EMBEDDINGS], tf.float32)
        shaped = words[:, :, 0]
    length = shaped.shape[1]
    if length is not None and length > most:
        raise InputError(
            f"a sequence must not exceed the model's {most} positions. Received: "
            f"{name} of shape {tuple(words.shape)}; truncate the text"
        )
    mask, types = (inputs.get(name) for name in SEQUENCES[1:])
    mask = tf.ones_like(shaped, tf.int32) if mask is None else tf.cast(mask, tf.int32)
    types = tf.zeros_like(shaped, tf.int32) if types is None else tf.cast(types, tf.int32)
    return words, mask, types


def merged_rows(inputs: Batch) -> tuple[Batch, list[Any]]:
    """The sequences of rows that have several each, one a row, and how many there were.

    Args:
        inputs: Sequences [B, W, L], or [B, W, L, H] of ``inputs_embeds``; other keys are dropped.

    Returns:
        The sequences [B * W, L] or [B * W, L, H]; and B and W, numbers or int32 scalars.
    """
    merged: Batch = {}
    count: list[Any] = []
    for name in (*SEQUENCES, EMBEDDINGS):
        if name in inputs:
            values = tf.convert_to_tensor(inputs[name])
            dynamic = tf.shape(values)
            shape = [size or dynamic[axis] for axis, size in enumerate(values.shape)]
            merged[name] = tf.reshape(values, [-1, *shape[2:]])
            count = count or shape[:2]
    return merged, count


def is_data_source(x: Any) -> bool:
    """Tell whether data hand out batches themselves, as a data set or a generator does."""
    return not (isinstance(x, Mapping | list | tuple) or hasattr(x, "shape"))


def as_mapping(inputs: Any) -> Mapping[str, Any]:
    """The batch as a dictionary, where it may be ``input_ids`` alone.

    Raises:
        InputError: When it is several arrays without names.
    """
    if isinstance(inputs, Mapping):
        return inputs
    is_rows = not isinstance(inputs, list | tuple)
    if not (is_rows or all(len(getattr(each, "shape", ())) < 2 for each in inputs)):
        raise InputError(
            "a batch of several arrays is a dictionary, by the names "
            f"{', '.join(SEQUENCES)}. Received: {len(inputs)} in a {type(inputs).__name__}"
        )
    return {"input_ids": inputs}


def as_array(name: str, values: Any) -> Any:
    """Numbers as an array; tensors stay what they are.

    Args:
        name: The argument's or the key's name, for messages.
        values: Lists, an array, a tensor, or a column or table that knows ``to_numpy``.

    Raises:
        InputError: When they are not numbers, or rows have different lengths.
    """
    if tf.is_tensor(values) or isinstance(values, tf.RaggedTensor):
        if isinstance(values, tf.RaggedTensor) and name != "input_ids":
            raise InputError(f"{name}: rows have different lengths; {_PAD}")
        return values
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{name}: rows have different lengths; {_PAD}") from None
    if array.dtype.kind in "biuf":
        return array
    if name == "input_ids":
        raise InputError(_TEXT)
    first = array.ravel()[:1].tolist()
    way_out = " (labels are numbered as in model.labels)" if name in ("y", "labels") else ""
    raise InputError(f"{name} must be numbers{way_out}. Received: {first!r:.60}")


def check_finite(name: str, values: Any) -> None:
    """Raise for what is not a finite number, where the numbers are known."""
    known = known_numbers(values)
    if known is not None and not np.isfinite(known).all():
        raise InputError(f"{name}: {known[~np.isfinite(known)].flat[0]} is not a finite number")


def check_share(name: str, values: Any) -> None:
    """Raise for what is not from 0 to 1, where the numbers are known."""
    known = known_numbers(values)
    if known is not None and ((known < 0) | (known > 1)).any():
        wrong = known[(known < 0) | (known > 1)].flat[0]
        raise InputError(f"{name}: {wrong} is not from 0 to 1, as each of several labels is")


def check_whole(name: str, values: Any) -> None:
    """Raise for what is not a whole number, where the numbers are known."""
    known = known_numbers(values)
    if known is not None and known.dtype.kind == "f" and (known != np.floor(known)).any():
        raise InputError(f"{name}: {known[known != np.floor(known)].flat[0]} is not a whole number")


def known_numbers(values: Any) -> np.ndarray | None:
    """Numbers, or truth values, that are known before anything is computed.

    Args:
        values: Lists, an array or a tensor.

    Returns:
        ``None`` for a tensor of a graph, a ragged one, and for what is not numbers.
    """
    if isinstance(values, list | tuple):
        values = np.asarray(values)
    if tf.is_tensor(values) and hasattr(values, "numpy"):
        values = values.numpy()
    is_array = isinstance(values, np.ndarray) and values.dtype.kind in "biuf"
    return values if is_array else None


def _is_text(ids: Any) -> bool:
    return isinstance(ids, str) or (
        isinstance(ids, list | tuple) and any(isinstance(each, str) for each in ids)
    )


def check_ids(inputs: Mapping[str, Any], config: BertConfig) -> None:
    """Raise for ids of tokens or token types that the model does not have.

    Raises:
        InputError: Where they are known before anything is computed.
    """
    check_range("input_ids", inputs.get("input_ids"), config.vocab_size)
    check_range("token_type_ids", inputs.get("token_type_ids"), config.type_vocab_size)


def check_range(name: str, values: Any, count: int, ignored: int | None = None) -> None:
    """Raise for a number that is not from 0 to ``count`` - 1, where the numbers are known.

    XLA computes something for it, whatever that is, and so does a GPU.

    Raises:
        InputError: It names the number.
    """
    if isinstance(values, tf.RaggedTensor):
        values = values.flat_values
    known = known_numbers(values)
    if known is None:
        return
    wrong = known[((known < 0) | (known >= count)) & (known != ignored)]
    if wrong.size:
        raise InputError(f"{name}: {wrong.flat[0]} is not from 0 to {count - 1}")


def has_several(inputs: Batch) -> bool:
    """Tell whether each row of a batch has several texts."""
    ranks = {name: inputs[name].shape.rank for name in ("input_ids", EMBEDDINGS) if name in inputs}
    return ranks in ({"input_ids": 3}, {EMBEDDINGS: 4})


def first_and_others(inputs: Batch) -> list[Batch]:
    """The first texts of rows that have several, and their others: two batches, or one of one text.

    Of each the padding behind its longest text is cut off: a question is shorter than the passages
    it is trained with.

    Args:
        inputs: Texts [B, T, L]; other keys are dropped.
    """
    names = [name for name in (*SEQUENCES, EMBEDDINGS, "pooling_mask") if name in inputs]
    texts = {name: tf.convert_to_tensor(inputs[name]) for name in names}
    if next(iter(texts.values())).shape[1] == 1:
        return [texts]
    places = slice(1), slice(1, None)
    parts = [{name: each[:, place] for name, each in texts.items()} for place in places]
    for part in parts:
        if "attention_mask" in part:
            is_real = tf.reduce_any(tf.cast(part["attention_mask"], tf.bool), axis=[0, 1])
            # A part of missing texts alone keeps a position, as every batch has one.
            longest = tf.reduce_max(tf.where(is_real, tf.range(1, tf.size(is_real) + 1), 1))
            part.update({name: values[:, :, :longest] for name, values in part.items()})
    return parts


def one_text_a_row(inputs: Batch) -> tuple[Batch, list[Any]]:
    """The texts of a batch, one a row, as ``merged_rows`` gives them; with their pooling mask."""
    rows, shape = merged_rows(inputs)
    if "pooling_mask" in inputs:
        rows["pooling_mask"] = tf.reshape(
            inputs["pooling_mask"], [-1, inputs["pooling_mask"].shape[-1]]
        )
    return rows, shape
