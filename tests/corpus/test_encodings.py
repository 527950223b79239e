import gzip
import shutil
import subprocess

import pytest

from bert_keras.corpus.encodings import byte_order, conversion, guess_encoding

TEXTS = {
    "simplified": "这家酒店的房间非常干净，服务也很好。",
    "traditional": "這家酒店的房間非常乾淨，服務也很好。歡迎您來旅遊。",
    "japanese": "このホテルの部屋はとてもきれいで、サービスも良かったです。",
    "korean": "이 호텔의 방은 매우 깨끗하고 서비스도 좋았습니다.",
    "russian": "Эта гостиница очень чистая, и обслуживание хорошее.",
    "french": "Le château était très bon, et le thé aussi.",
    "german": "„Die Größe ist schön“ – sagte er.",
    "greek": "Το ξενοδοχείο ήταν πολύ καλό",
    "thai": "โรงแรมนี้ดีมาก",
}


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("simplified", "gbk", "GB18030"),
        ("simplified", "gb18030", "GB18030"),
        ("traditional", "big5", "BIG5"),
        ("japanese", "shift_jis", "SHIFT_JIS"),
        ("japanese", "euc_jp", "EUC-JP"),
        ("korean", "euc_kr", "EUC-KR"),
        ("russian", "cp1251", "WINDOWS-1251"),
        ("russian", "koi8_r", "KOI8-R"),
        ("french", "latin1", "LATIN1"),
        ("german", "cp1252", "WINDOWS-1252"),
        ("greek", "iso8859_7", None),
        ("thai", "tis_620", None),
    ],
)
def test_an_encoding_is_named_where_it_can_be_told(text, encoding, expected):
    sample = TEXTS[text].encode(encoding)
    assert guess_encoding(sample) == expected
    assert guess_encoding(b"plain words before\n" * 9 + sample) in (expected, "LATIN1")


@pytest.mark.parametrize("order", ["LE", "BE"])
@pytest.mark.parametrize("text", TEXTS)
def test_utf16_without_a_mark_is_told_by_its_zeros(text, order):
    assert byte_order(f"{TEXTS[text]}\n".encode(f"utf-16-{order}")) == f"UTF-16{order}"


def test_chinese_utf16_is_told_without_a_zero_and_binary_data_are_not():
    assert guess_encoding(TEXTS["simplified"].encode("utf-16-le")) == "UTF-16LE"
    assert byte_order(b"\x7fELF\x00\x01\x02\x00") is None


@pytest.mark.skipif(shutil.which("iconv") is None, reason="needs iconv")
@pytest.mark.parametrize("name", ["a file.csv", "b.txt.gz"])
def test_the_command_converts_the_file_when_it_is_pasted(tmp_path, name):
    data = TEXTS["french"].encode("latin-1")
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    subprocess.run(["sh", "-c", conversion(path, guess_encoding(data))], check=True)
    (made,) = tmp_path.glob("*.utf8.*")
    assert made.suffix in (".csv", ".txt")
    assert made.read_text(encoding="utf-8") == TEXTS["french"]
