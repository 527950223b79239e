"""WordPiece.kt, compiled and run: the ids of the host's tokenizer.

Needs Java and the Kotlin compiler that the package kotlin-jupyter-kernel brings along.
"""

import importlib.util
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest

from bert_keras.export.samples import SENTENCES, prose
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from bert_keras.tokenization.graph.rules import (
    CODE_POINTS,
    LETTER,
    SINGLE,
    host_kinds,
    normal_forms,
)

MAIN = """
import java.io.File

fun main(arguments: Array<String>) {
    val vocabulary = File(arguments[0]).readText().removeSuffix("\\n").split("\\n")
    val tokenizer = WordPiece(vocabulary, lowerCase = arguments[2] == "uncased")
    val texts = File(arguments[1]).readText().split("\\u0000")
    for ((number, text) in texts.withIndex()) {
        val pair = texts[(number + 1) % texts.size]
        for (e in listOf(tokenizer.encode(text, length = 48), tokenizer.encode(text, pair, 31)))
            println((e.inputIds + e.attentionMask + e.tokenTypeIds).joinToString(" "))
    }
}
"""
TEXTS = [
    *SENTENCES,
    *prose(40),
    *("[MASK]a[SEP]b[mask]", "e\u0301\u0301", "a" * 100, "a" * 101, "\U0001d49c" * 100),
    *("\x0ba\x1c\x85b\u2028c\u200bd\ufffde", "\u03a3\u03c2\u0130\u0131\ufb01\u00df"),
    "\U0002b820\U0002f800",
    # What Unicode made marks, punctuation or format characters of after version 8, or no longer.
    *(
        "a\u2e43b\u2e52\u09fdc",
        "a\u166db\U000111c9c",
        "a\u08d4b\u08e2c\U0001e944",
        "x\u1abf\u0301y",
    ),
]


@pytest.fixture(scope="module")
def run_kotlin(repository, tmp_path_factory):
    spec = importlib.util.find_spec("run_kotlin_kernel")
    if spec is None or not shutil.which("java"):
        pytest.skip("needs java and pip install kotlin-jupyter-kernel")
    jars = Path(spec.submodule_search_locations[0]) / "jars"
    (compiler,), (library,) = jars.glob("*-all.jar"), jars.glob("kotlin-stdlib-*.jar")
    folder = tmp_path_factory.mktemp("kotlin")
    (folder / "Main.kt").write_text(MAIN)
    sources = [repository / "export" / "mobile" / "WordPiece.kt", folder / "Main.kt"]
    subprocess.run(
        ["java", "-cp", compiler, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib",
         "-no-reflect", "-cp", library, *sources, "-d", folder / "out"], check=True,
    )  # fmt: skip

    def run(vocabulary, texts, casing):
        (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in vocabulary), "utf-8")
        (folder / "texts").write_bytes("\0".join(texts).encode())
        answer = subprocess.run(
            ["java", "-cp", f"{library}:{folder / 'out'}", "MainKt", folder / "vocab.txt",
             folder / "texts", casing], check=True, capture_output=True, text=True,
        )  # fmt: skip
        return [list(map(int, line.split())) for line in answer.stdout.splitlines()]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("casing", ["uncased", "cased"])
def test_kotlin_reads_the_hosts_ids(run_kotlin, casing):
    rules = Casing(do_lower_case=casing == "uncased")
    host = BertTokenizer(learn_vocabulary(TEXTS, 2_000, rules), rules)
    given = run_kotlin(host.vocab, TEXTS, casing)
    for number, text in enumerate(TEXTS):
        pair = TEXTS[(number + 1) % len(TEXTS)]
        for row, encoding, length in (
            (given[2 * number], host.encode(text, max_length=48), 48),
            (given[2 * number + 1], host.encode(text, pair, 31), 31),
        ):
            missing = length - len(encoding.input_ids)
            ids = encoding.input_ids + [host.pad_id] * missing
            mask = [1] * len(encoding.input_ids) + [0] * missing
            assert row == ids + mask + encoding.token_type_ids + [0] * missing, text


def test_what_came_later_is_a_letter_to_the_host(repository):
    """The tables of both files, beside the host's answers and this Python's Unicode."""
    tables = []
    for name in ("WordPiece.kt", "WordPiece.swift"):
        text = (repository / "export" / "mobile" / name).read_text()
        table = re.search(r"(?is)(?:val later = |let later: ).*?\n(.*?)\n *[)\]]\n", text)
        ends = re.findall(r"0x(\w+)\.\.\.?0x(\w+)", table[1])
        tables.append([(int(first, 16), int(last, 16)) for first, last in ends])
    assert tables[0] == tables[1]
    later = {c for first, last in tables[0] for c in range(first, last + 1)}
    kinds, forms = host_kinds(), normal_forms(Casing())
    assert {c for c in later if kinds[c] != LETTER or forms.get(c) == ""} <= {0x111C9}
    assert kinds[0x166D] == kinds[0x111C9] == SINGLE
    changed = {"Mn", "Cf", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"}
    for c in CODE_POINTS:
        if unicodedata.category(chr(c)) in changed and kinds[c] == LETTER and c not in forms:
            assert c in later, hex(c)
