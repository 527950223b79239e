"""``load`` and ``save``, for all layouts."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bert_keras.contents import read_json_object
from bert_keras.errors import InputError
from bert_keras.files import clear_left_behind
from bert_keras.hub import local_folder, suggestion
from bert_keras.modeling.model import BertModel
from bert_keras.saving.build import build
from bert_keras.saving.families import family_of_config
from bert_keras.saving.garden import read_garden
from bert_keras.saving.google import read_google, save_google
from bert_keras.saving.huggingface import (
    CONFIG_FILE,
    read_huggingface,
    refuse_adapter,
    save_huggingface,
)
from bert_keras.saving.keras_file import read_keras, save_keras
from bert_keras.saving.keras_hub import (
    TOKENIZER_FILES as KERAS_HUB_TOKENIZER,
    WEIGHTS_SUFFIX,
    is_keras_hub,
    read_keras_hub,
)
from bert_keras.saving.mark import MARK_FILE
from bert_keras.saving.run import finished_or_best, named_run, read_run, version_of_best
from bert_keras.saving.sentence_transformers import MODULES_FILE
from bert_keras.saving.stored import StoredModel
from bert_keras.saving.tensorflow_file import TensorFlowFile, is_tensorflow_file
from bert_keras.tokenization import Casing, Tokenizer

_logger = logging.getLogger("bert_keras")

FORMATS = {"huggingface": save_huggingface, "google": save_google, "keras": save_keras}


def save(
    model: BertModel,
    path: str | Path,
    tokenizer: Tokenizer | None = None,
    format: str | None = None,
) -> None:
    """Save a model.

    Args:
        model: One of our models.
        path: Where to; a model that ``save`` wrote there before is replaced once the new one is
            whole.
        tokenizer: Saved with the weights; by default the one that the model was loaded with.
        format: ``"huggingface"``, a directory that ``transformers.AutoModel.from_pretrained``
            opens too; ``"google"``, a directory that Google's TF1 code opens; ``"keras"``, one
            ``.keras`` file. ``None`` is ``"keras"`` where the path ends in ``.keras``, else
            ``"huggingface"``.

    Raises:
        InputError: When the format is unknown or cannot hold such a model, or when ``path`` holds
            something that ``save`` did not write, or that has changed since. It stays as it is.
        OSError: When the files cannot be written; what was there stays as it was.

    Example:
        >>> model = load("run")
        >>> save(model, "copy")
        >>> save(model, "copy.keras")
        >>> load("copy.keras").labels
        ('bad', 'good')
    """
    if not isinstance(model, BertModel):
        raise InputError(f"cannot save a {type(model).__name__}; it is not a model of bert-keras")
    if format is None:
        format = "keras" if Path(path).suffix == ".keras" else "huggingface"
    if format not in FORMATS:
        raise InputError(f"no format {format!r}; the formats are {', '.join(FORMATS)}")
    FORMATS[format](model, path, tokenizer)


def load(
    path: str | Path,
    model_class: type[BertModel] | None = None,
    *,
    casing: Casing | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **arguments: Any,
) -> BertModel:
    """Open a model in any of the layouts that bert_keras reads.

    Args:
        path: A Hugging Face directory (BERT or DistilBERT), a directory of sentence-transformers,
            a preset of keras-hub or its ``.weights.h5`` file with ``config.json`` next to it, a
            TensorFlow checkpoint of Google's code or of TF Model Garden (its name or its
            directory), a ``.keras`` file, or the work directory of a run: its ``model/`` or,
            before it has finished, the best on its development set so far, else the newest
            checkpoint that is whole. ``RUN@STEP`` is the checkpoint of that step. Or the name of
            a model on Hugging Face's hub, ``hf://org/name`` or ``hf://org/name@revision``, which
            ``huggingface_hub`` keeps in its cache.
        model_class: The class to open it as, such as ``BertForSequenceClassification`` for an
            encoder that is to be fine-tuned. Weights that the file lacks are new: a warning names
            them and ``model.report.new`` lists them. Heads that the class lacks are left out and
            named too. By default it is the class that the file names, and then neither is
            allowed, but for a pooler that no head of the class reads, which is left out.
        casing: The tokenizer's casing, whatever the files say, such as
            ``Casing(do_lower_case=False)``. Where files say nothing, as Google's do, it is guessed
            from the vocabulary, and the guess is logged.
        on_progress: Called with the bytes read so far and their total.
        **arguments: More arguments of the constructor, such as ``labels=["no", "yes"]`` or
            ``packed=True``.

    Returns:
        The model, in the global dtype policy. Its ``tokenizer`` is that of the directory or
        ``None``, its ``other_config`` holds the keys of the config that are not ours, its
        ``report`` says what went where. A ``BertForMaskedLM`` whose file also has the
        next-sentence head, as those that Google published, is opened as a ``BertForPreTraining``.

    Raises:
        InputError: When a weight is missing, unused or of another shape, a file is damaged, or
            the model is not one that we know; when the hub has no such model, refuses it or is not
            reached.
        FileNotFoundError: When there is no such directory or file.

    Example:
        >>> type(load("model")).__name__
        'BertForPreTraining'
        >>> encoder = load("model", BertEncoder, packed=True)
        >>> encoder.tokenizer.vocab_size == encoder.config.vocab_size
        True
    """
    is_model = isinstance(model_class, type) and issubclass(model_class, BertModel)
    if model_class is not None and not is_model:
        raise InputError(f"model_class must be a class of bert_keras. Received: {model_class!r}")

    def opened() -> BertModel:
        with read(path) as stored:
            return build(stored, model_class, casing=casing, on_progress=on_progress, **arguments)

    return _of_one_version(Path(path), opened)


def _of_one_version(path: Path, opened: Callable[[], BertModel]) -> BertModel:
    """The model that ``opened`` gives; opened again where a run replaced its best model meanwhile.

    Else it might have the weights of one and the thresholds of the next.
    """
    while True:
        version = version_of_best(path)
        try:
            model = opened()
        except (InputError, OSError):
            if version_of_best(path) == version:
                raise
        else:
            if version_of_best(path) == version:
                return model
        _logger.info("%s: its best model was replaced while it was read; it is read again", path)


@contextmanager
def read(path: str | Path) -> Iterator[StoredModel]:
    """A model on the disk, whose weights can be read until the block ends.

    Args:
        path: As ``load`` takes it.

    Raises:
        InputError: When it is not a model that we know, or damaged.
        FileNotFoundError: When there is no such directory or file.
    """
    path = local_folder(path, _tokenizer_files)
    if not path.exists():
        clear_left_behind(path)  # a killed ``save`` may have left the old model under another name
    if path.suffix == ".keras":
        with read_keras(path) as stored:
            yield stored
    else:
        yield _read(path)


def _tokenizer_files(config: Path) -> tuple[str, ...]:
    """The names of the tokenizer's files of a ``config.json``'s model.

    Raises:
        InputError: When we do not open such a model, before its weights are there.
    """
    if is_keras_hub(config.parent):
        return KERAS_HUB_TOKENIZER
    return family_of_config(config, read_json_object(config)).tokenizer_files


def _read(path: Path) -> StoredModel:
    """The model of a path, by the files that are there."""
    if path.name.endswith(WEIGHTS_SUFFIX) and path.is_file():
        return read_keras_hub(path)
    workdir, step = named_run(path) or (None, None)
    if workdir is not None:  # whatever else lies in its folder
        folder = finished_or_best(workdir) if step is None else None
        return read_huggingface(folder) if folder else read_run(workdir, step)
    if (path / CONFIG_FILE).exists():
        return (read_keras_hub if is_keras_hub(path) else read_huggingface)(path)
    refuse_adapter(path)
    if is_tensorflow_file(path):
        tf_file = TensorFlowFile(path)
        return (read_garden if tf_file.is_object_based else read_google)(tf_file)
    if not path.exists():
        raise FileNotFoundError(2, f"no such model{suggestion(path)}", str(path))
    if (path / MODULES_FILE).exists():
        raise InputError(
            f"{path}: the encoder that {MODULES_FILE} names must lie in the folder itself; copy "
            f'what is in its folder (0_Transformer, say) there, and write "path": "" for it'
        )
    raise InputError(
        f"{path} is not a model: it has neither {CONFIG_FILE} (Hugging Face, keras-hub) nor "
        f"*.index (a TensorFlow checkpoint) nor {MARK_FILE} (a run), and its name does not end in "
        ".keras"
    )
