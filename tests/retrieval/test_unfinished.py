"""The vectors that a process which was killed leaves to the next."""

import numpy as np

from bert_keras.retrieval.unfinished import describe, drop_leftover, folder_of, kept_rows

TEXTS = ["a", "b", "c"]
ABOUT = describe(TEXTS, {"model": "m"})


def embed(texts):
    return np.ones((len(texts), 2), np.float32)


def test_vectors_that_a_kill_left_beside_their_whole_file_are_dropped_and_no_others(tmp_path):
    path = tmp_path / "index"
    try:
        with kept_rows(path, TEXTS, embed, 2, ABOUT) as rows:
            assert rows.tolist() == [[1, 1]] * 3
            path.mkdir()  # it is written
            raise KeyboardInterrupt  # before its end
    except KeyboardInterrupt:
        pass
    drop_leftover(path, describe(TEXTS, {"model": "another"}))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["index", folder_of(path).name]
    drop_leftover(path, ABOUT)
    assert [file.name for file in tmp_path.iterdir()] == ["index"]
    drop_leftover(path, ABOUT)  # nothing is left
