"""``load`` and ``save``: whatever the path holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from bert_keras.errors import InputError
from bert_keras.files import clear_left_behind
from bert_keras.modeling.model import BertModel
from bert_keras.saving.garden import load_garden
from bert_keras.saving.google import load_google, save_google
from bert_keras.saving.huggingface import CONFIG_FILE as HF_CONFIG_FILE
from bert_keras.saving.huggingface import load_huggingface, save_huggingface
from bert_keras.saving.keras_file import load_keras, save_keras
from bert_keras.saving.keras_hub import WEIGHTS_SUFFIX, is_keras_hub, load_keras_hub
from bert_keras.saving.mark import MARK_FILE
from bert_keras.saving.opening import Wanted
from bert_keras.saving.run import finished_or_best, load_state, named_run
from bert_keras.saving.sentence_transformers import MODULES_FILE
from bert_keras.saving.tf_checkpoint import TFCheckpoint, is_tf_checkpoint
from bert_keras.tokenization import BertTokenizer, Casing

FORMATS = {"huggingface": save_huggingface, "google": save_google, "keras": save_keras}
Kind = Literal["keras", "keras-hub", "huggingface", "run", "tensorflow"]


def save(
    model: Any,
    path: str | Path,
    tokenizer: BertTokenizer | None = None,
    format: str = "huggingface",
) -> None:
    """Writes a model.

    Args:
        model: One of our models.
        path: A model that ``save`` wrote there before is replaced once the new one is whole.
        tokenizer: Written beside the weights; by default the one the model was loaded with.
        format: ``"huggingface"``, a directory that ``transformers.AutoModel.from_pretrained``
            opens too; ``"google"``, a directory that Google's TF1 code opens; ``"keras"``, one
            ``.keras`` file.

    Raises:
        InputError: When the format is unknown or has no place for such a model, or something is
            there that ``save`` did not write, or that has changed since. It stays as it is.
        OSError: When the files cannot be written; what was there stays as it was.
    """
    if format not in FORMATS:
        raise InputError(f"no format {format!r}; the formats are {', '.join(FORMATS)}")
    FORMATS[format](model, path, tokenizer)


def load(
    path: str | Path,
    model_class: type | None = None,
    *,
    casing: Casing | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **arguments: Any,
) -> Any:
    """Opens a model, whatever it was written by.

    Args:
        path: A Hugging Face directory (BERT or DistilBERT), a directory of sentence-transformers,
            a preset of keras-hub or its ``.weights.h5`` file with ``config.json`` beside it, a
            directory with a TensorFlow checkpoint of Google's code or of
            TF Model Garden, such a checkpoint by its name, a ``.keras`` file, or the work
            directory of a run: its ``model/`` or, before it has finished, the best on its
            development set so far, else the newest checkpoint that is whole. ``RUN@STEP`` is the
            checkpoint of that step.
        model_class: What to open it as, such as ``BertForSequenceClassification`` for an encoder
            that is to be fine-tuned. What the file has nothing for is new: a warning names it
            and ``model.report.new`` lists it; heads that the class lacks are left out and named
            likewise. By default the class that the file says it is, without any such leniency;
            only a pooler that no head of the class reads is left out.
        casing: How its tokenizer normalises letters, whatever the files say, such as
            ``Casing(do_lower_case=False)``. Files that say nothing, as Google's, leave it to a
            guess by the vocabulary, which is logged.
        on_progress: Called with the bytes read so far and the bytes there are to read.
        **arguments: More of the model's constructor, such as ``labels=["no", "yes"]`` or
            ``packed=True``.

    Returns:
        The model, in the global dtype policy. Its ``tokenizer`` is that of the directory or
        ``None``, its ``other_config`` holds the keys of the config that are not ours, its
        ``report`` says what went where. A ``BertForMaskedLM`` whose file has the next-sentence
        head too, as those that Google published, is opened as what it is: a
        ``BertForPreTraining``.

    Raises:
        InputError: When a weight is missing, unused or of another shape, a file is damaged, or
            the model is none that we know.
        FileNotFoundError: When there is no such directory or file.
    """
    path = Path(path)
    is_ours = isinstance(model_class, type) and issubclass(model_class, BertModel)
    if model_class is not None and not is_ours:
        raise InputError(f"model_class must be a class of bert_keras. Received: {model_class!r}")
    wanted = Wanted(model_class, arguments, on_progress, casing)
    kind = kind_of(path)
    if kind == "keras":
        return load_keras(path, wanted)
    if kind == "keras-hub":
        return load_keras_hub(path, wanted)
    if kind == "huggingface":
        return load_huggingface(path, wanted)
    if kind == "run":
        workdir, step = named_run(path) or (path, None)
        folder = finished_or_best(workdir) if step is None else None
        return load_huggingface(folder, wanted) if folder else load_state(workdir, step, wanted)
    checkpoint = TFCheckpoint(path)
    load_tf = load_garden if checkpoint.is_object_based else load_google
    return load_tf(checkpoint, wanted)


def kind_of(path: Path) -> Kind:
    """The kind of model that a path leads to, by the files that are there.

    Raises:
        InputError: When it is none that we know.
        FileNotFoundError: When there is no such directory or file.
    """
    if not path.exists():
        clear_left_behind(path)  # a killed ``save`` may have left the old model under another name
    if path.suffix == ".keras":
        return "keras"
    if path.name.endswith(WEIGHTS_SUFFIX) and path.is_file():
        return "keras-hub"
    if (path / HF_CONFIG_FILE).exists():
        return "keras-hub" if is_keras_hub(path) else "huggingface"
    if named_run(path):
        return "run"
    if is_tf_checkpoint(path):
        return "tensorflow"
    if not path.exists():
        raise FileNotFoundError(2, "no such model", str(path))
    if (path / MODULES_FILE).exists():
        raise InputError(
            f"{path}: the encoder that {MODULES_FILE} names must lie in the folder itself; copy "
            f'what is in its folder (0_Transformer, say) there, and write "path": "" for it'
        )
    raise InputError(
        f"{path} is no model: there is neither {HF_CONFIG_FILE} (Hugging Face, keras-hub) nor "
        f"*.index (a TensorFlow checkpoint) nor {MARK_FILE} (a run) in it, and its name does not "
        "end in .keras"
    )
