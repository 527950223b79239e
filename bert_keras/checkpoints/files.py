"""``load`` and ``save``: whatever the path holds."""

from pathlib import Path
from typing import Any

from bert_keras.checkpoints.huggingface import load_huggingface, save_huggingface
from bert_keras.tokenization import BertTokenizer


def save(model: Any, path: str | Path, tokenizer: BertTokenizer | None = None) -> None:
    """Writes a model directory that ``transformers.AutoModel.from_pretrained`` opens too.

    Args:
        model: One of our models.
        path: The directory. One that is there already is replaced once the new one is whole.
        tokenizer: Written beside the weights; by default the one the model was loaded with.

    Raises:
        InputError: When the model is of no class that the layout knows.
        OSError: When the files cannot be written; what was there stays as it was.
    """
    save_huggingface(model, path, tokenizer)


def load(path: str | Path, model_class: type | None = None, **arguments: Any) -> Any:
    """Opens a model directory.

    Args:
        path: The directory with ``config.json``, the weights in safetensors files, and
            ``vocab.txt`` or ``tokenizer.json`` where the model is to have a tokenizer.
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
    return load_huggingface(Path(path), model_class, **arguments)
