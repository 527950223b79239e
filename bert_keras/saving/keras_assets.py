"""What lies beside the weights in a ``.keras`` file: the tokenizer, and JSON of other files."""

import json
from pathlib import Path

from bert_keras.files import read_json_object
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import family_of_model

OTHER_CONFIG_FILE, OTHER_FILES_FILE = "other_config.json", "other_files.json"


class KerasAssets:
    """Writes and reads the tokenizer, ``other_config`` and ``other_files`` of a model."""

    def save(self, model: BertModel, folder: Path) -> None:
        """Puts what there is of them into a folder."""
        if model.tokenizer is not None:
            model.tokenizer.save(folder, model.config.max_position_embeddings)
        for file, values in _others(model).items():
            if values:
                text = json.dumps(values, indent=2) + "\n"
                (folder / file).write_text(text, encoding="utf-8")

    def load(self, model: BertModel, folder: Path) -> None:
        """Takes what there is of them out of a folder."""
        family = family_of_model(type(model))
        model.tokenizer = None if family is None else family.read_tokenizer(folder, None)
        for file, values in _others(model).items():
            if (folder / file).exists():
                values.update(read_json_object(folder / file))


def _others(model: BertModel) -> dict[str, dict]:
    return {OTHER_CONFIG_FILE: model.other_config, OTHER_FILES_FILE: model.other_files}


BertModel.assets = KerasAssets()
