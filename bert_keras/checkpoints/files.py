"""``load`` and ``save``: whatever the path holds."""

from pathlib import Path
from typing import Any

from bert_keras.checkpoints.google import is_google, load_google, save_google
from bert_keras.checkpoints.huggingface import load_huggingface, save_huggingface
from bert_keras.checkpoints.keras_file import load_keras, save_keras
from bert_keras.checkpoints.keras_hub import is_keras_hub, load_keras_hub
from bert_keras.errors import InputError
from bert_keras.tokenization import BertTokenizer

FORMATS = {"huggingface": save_huggingface, "google": save_google, "keras": save_keras}


def save(
    model: Any,
    path: str | Path,
    tokenizer: BertTokenizer | None = None,
    format: str = "huggingface",
) -> None:
    """Writes a model.

    Args:
        model: One of our models.
        path: What is there already is replaced once the new one is whole.
        tokenizer: Written beside the weights; by default the one the model was loaded with.
        format: ``"huggingface"``, a directory that ``transformers.AutoModel.from_pretrained``
            opens too; ``"google"``, a directory that Google's TF1 code opens; ``"keras"``, one
            ``.keras`` file.

    Raises:
        InputError: When the format is unknown or has no place for such a model.
        OSError: When the files cannot be written; what was there stays as it was.
    """
    if format not in FORMATS:
        raise InputError(f"no format {format!r}; the formats are {', '.join(FORMATS)}")
    FORMATS[format](model, path, tokenizer)


def load(path: str | Path, model_class: type | None = None, **arguments: Any) -> Any:
    """Opens a model, whatever it was written by.

    Args:
        path: A Hugging Face directory (BERT or DistilBERT), a directory of Google's with
            ``bert_config.json`` or a checkpoint in it by its name, a preset of keras-hub, a
            directory of sentence-transformers or a ``.keras`` file.
        model_class: What to open it as, such as ``BertForSequenceClassification`` for an encoder
            that is to be fine-tuned. What the file has nothing for is new: a warning names it
            and ``model.report.new`` lists it; heads that the class lacks are left out and named
            likewise. By default the class that the file says it is, without any such leniency;
            only a pooler that no head of the class reads is left out.
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
    if path.suffix == ".keras":
        return load_keras(path, model_class, **arguments)
    if is_google(path) and not (path / "config.json").exists():
        return load_google(path, model_class, **arguments)
    if is_keras_hub(path):
        return load_keras_hub(path, model_class, **arguments)
    return load_huggingface(path, model_class, **arguments)
