"""Text from TensorFlow Datasets, the only input that needs TensorFlow; imported when it is read."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from bert_keras.corpus.formats import TEXT_COLUMN
from bert_keras.errors import InputError, install_command

TFDS_PREFIX = "tfds:"

# A version may follow the name ("wikipedia/20230601.en:1.0.0"), a slice the split
# ("train[:10%]"): both have the colon that divides the three.
_SPEC = re.compile(
    r"(?P<name>[^:\[\]]+(?::[\d*]+\.[\d*]+\.[\d*]+)?)"
    r"(?::(?P<split>(?:[^:\[\]]|\[[^\]]*\])+))?"
    r"(?::(?P<field>[^:]+))?"
)


def tfds_texts(spec: str, text_column: str = TEXT_COLUMN) -> Iterator[str]:
    """The texts of a TFDS data set in the order of its files; bad bytes as lone surrogates.

    It is read from where TFDS keeps its data (``TFDS_DATA_DIR``) and made there first when it is
    not there yet, which may download it.

    Args:
        spec: ``tfds:NAME[:SPLIT[:FIELD]]``; the split is ``train`` unless it is named.
        text_column: The field, unless it is named.

    Raises:
        InputError: When the package is missing, or there is no such data set, split or field.
    """
    name, split, field = parse_spec(spec)
    field = field or text_column
    builder = find_builder(name)
    _check_field(builder.info.features, name, field)
    for example in read_examples(builder, name, split, [field]):
        yield example[field].decode("utf-8", errors="surrogateescape")


def parse_spec(spec: str) -> tuple[str, str, str | None]:
    """Name, split (``train`` unless it is named) and field (or None) of a ``tfds:`` source.

    Raises:
        InputError: When it is not ``tfds:NAME[:SPLIT[:FIELD]]``.
    """
    match = _SPEC.fullmatch(spec.removeprefix(TFDS_PREFIX))
    if match is None:
        raise InputError(f"expected tfds:NAME[:SPLIT[:FIELD]]. Received: {spec}")
    return match["name"], match["split"] or "train", match["field"]


def find_builder(name: str) -> Any:
    """The TFDS builder of a data set; its ``info`` can be read before anything is downloaded.

    Raises:
        InputError: When the package is missing or there is no such data set.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"reading tfds:{name} needs packages that are not installed ({error}): "
            f"{install_command('tfds')}"
        ) from None
    try:
        return tfds.builder(name)
    except (ValueError, tfds.core.registered.DatasetNotFoundError) as error:
        # The first line says it; the others list every data set there is.
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"there is no TFDS data set {name} ({reason}); see tfds.list_builders(), or set "
            "TFDS_DATA_DIR to where yours is"
        ) from None


def _check_field(features: Any, name: str, field: str) -> None:
    fields = {key: getattr(feature, "np_dtype", None) for key, feature in sorted(features.items())}
    texts = [key for key, dtype in fields.items() if dtype is object or dtype == "object"]
    if field not in fields:
        raise InputError(
            f"tfds:{name} has no field {field!r}; its fields: {', '.join(map(repr, fields))}. "
            "Name one: tfds:NAME:SPLIT:FIELD"
        )
    if field not in texts:
        raise InputError(
            f"the field {field!r} of tfds:{name} is not text; fields that are: "
            f"{', '.join(map(repr, texts)) or 'none'}"
        )


def read_examples(
    builder: Any, name: str, split: str, fields: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The fields of all examples as numpy values, in the order of the files.

    Raises:
        InputError: When the data set cannot be made or has no such split.
    """
    import tensorflow_datasets as tfds

    try:
        builder.download_and_prepare()
    except Exception as error:  # any error of a data set's own code or the network
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"the TFDS data set {name} cannot be prepared: {reason}") from error
    try:
        dataset = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(fields, True)),
            # One file after another: the order must not depend on threads.
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
    except (ValueError, KeyError, AssertionError) as error:
        splits = ", ".join(sorted(builder.info.splits)) or "none"
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"tfds:{name} has no split {split!r} ({reason}); its splits: {splits}"
        ) from None
    yield from dataset.as_numpy_iterator()
