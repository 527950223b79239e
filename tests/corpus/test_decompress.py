import gzip
import os
import random
import sys
import tracemalloc

import pytest

from bert_keras.corpus.inputs import resolve_inputs
from bert_keras.corpus.sources import read_documents
from bert_keras.errors import InputError

# Long enough for several blocks, and not so even that it packs to nothing.
TEXT = "".join(f"Line {random.Random(n).random()} of the text.\n\n" for n in range(20_000))


def _zstd(data):
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        zstd = pytest.importorskip("backports.zstd")
    return zstd.compress(data)


PACK = {".gz": gzip.compress, ".zst": _zstd}


@pytest.fixture(params=PACK)
def suffix(request):
    return request.param


def _read(path):
    return list(read_documents([path]))


def test_packed_text_is_read_as_plain_text_is(tmp_path, suffix):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / f"a.txt{suffix}").write_bytes(PACK[suffix](TEXT.encode()))
    assert _read(tmp_path / f"a.txt{suffix}") == _read(tmp_path / "a.txt")


def test_packed_json_lines_are_json_lines(tmp_path, suffix):
    (tmp_path / f"a.jsonl{suffix}").write_bytes(PACK[suffix](b'{"text": "one"}\n{"text": "two"}'))
    assert _read(tmp_path / f"a.jsonl{suffix}") == [["one"], None, ["two"], None]


def test_members_follow_one_another_and_zeros_may_pad_the_end_of_gzip(tmp_path, suffix):
    pack = PACK[suffix]
    data = pack(TEXT[:5_000].encode()) + pack(b"") + pack(TEXT[5_000:].encode())
    data += b"\0" * 512 if suffix == ".gz" else b""
    (tmp_path / f"a.txt{suffix}").write_bytes(data)
    (tmp_path / "a.txt").write_text(TEXT)
    assert _read(tmp_path / f"a.txt{suffix}") == _read(tmp_path / "a.txt")


def test_a_packed_file_of_any_name_is_unpacked(tmp_path):
    (tmp_path / "words").write_bytes(gzip.compress(b"some words"))
    assert _read(tmp_path / "words") == [["some words"], None]


@pytest.mark.parametrize("kept", [0.0001, 0.4, 0.9999])
def test_a_file_cut_short_is_refused_in_one_line(tmp_path, suffix, kept):
    data = PACK[suffix](TEXT.encode())
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match="cut short") as caught:
        _read(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_a_damaged_file_is_refused_in_one_line(tmp_path, suffix):
    data = bytearray(PACK[suffix](TEXT.encode()))
    data[len(data) // 2 : len(data) // 2 + 40] = os.urandom(20) + b"\xff" * 20
    (tmp_path / f"a.txt{suffix}").write_bytes(data)
    with pytest.raises(InputError, match=r"damaged|cut short|not UTF-8") as caught:
        _read(tmp_path / f"a.txt{suffix}")
    assert "\n" not in str(caught.value)


@pytest.mark.system
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_unpacks_to_far_more_than_it_is_takes_no_more_memory(tmp_path, suffix):
    line = b"one line of text\n\n"
    (tmp_path / f"a.txt{suffix}").write_bytes(PACK[suffix](line * 1_000_000))  # 18 MB
    tracemalloc.start()
    try:
        paragraphs = sum(p is not None for p in read_documents([tmp_path / f"a.txt{suffix}"]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert paragraphs == 1_000_000
    assert peak < 6_000_000


def test_a_wrong_checksum_is_refused(tmp_path):
    data = bytearray(gzip.compress(TEXT.encode()))
    data[-6] ^= 1
    (tmp_path / "a.txt.gz").write_bytes(data)
    with pytest.raises(InputError, match="damaged gzip data"):
        _read(tmp_path / "a.txt.gz")


def test_a_name_that_promises_packed_data_is_held_to_it(tmp_path):
    for name in ("a.txt.gz", "a.txt.zst"):
        (tmp_path / name).write_text("plain text")
        with pytest.raises(InputError, match=r"is not .* data, as its name says"):
            _read(tmp_path / name)


def test_without_a_package_for_zstd_the_one_to_install_is_named(tmp_path, monkeypatch):
    for name in ("compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "a.txt.zst").write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(InputError, match=r"pip install backports\.zstd"):
        _read(tmp_path / "a.txt.zst")


def test_gbk_text_is_found_out_under_gzip_too(tmp_path):
    data = "这家酒店的房间非常干净，服务也很好。".encode("gbk")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(data))
    with pytest.raises(InputError, match="iconv -f GB18030 -t UTF-8"):
        _read(tmp_path / "a.txt.gz")


def test_folders_hold_packed_files_too(tmp_path):
    names = ["a.jsonl", "b.jsonl.zst", "c.txt.gz", "d.md"]
    for name in [*names, "e.csv.gz", "f.gz", "g.tar.zst"]:
        (tmp_path / name).write_text("x")
    assert [path.name for path in resolve_inputs([tmp_path])] == names
