"""Files of a few rows."""

from bert_keras.tasks.reading import read_text_examples


def write_file(folder, name, text):
    """A file of exactly this text; returns its path as a string."""
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


def rows_of(source, **columns):
    """Text, second text and label of every row."""
    return [(e.text, e.text_pair, e.label) for e in read_text_examples(source, **columns)]
