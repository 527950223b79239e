"""The Kotlin and the Swift of ``export/mobile``, compiled with the README's snippets, and run.

LiteRT's own classes are not there: those in ``phone/`` hand each call to the test, which answers
from the real file, opened with the interpreter. So all but LiteRT's Java and Swift is real.
"""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bert_keras.export.tflite.interpreter import make_interpreter

PHONE = Path(__file__).parent / "phone"
OPEN = "Open a file"
_LABELS = "Classification, next sentence, multi-label"
_WINDOWS = "Classification of long texts, trained with data.windows"
_KOTLIN_RANGES = '.joinToString("|") { "${it.label} ${it.start} ${it.end} ${it.score}" }'
_SWIFT_RANGES = (
    '.map { "\\($0.label) \\(place($0.range.lowerBound, text)) '
    '\\(place($0.range.upperBound, text)) \\($0.score)" }.joined(separator: "|")'
)
# What each snippet came to, as expressions of the language.
SHOWN = {
    "kotlin": {
        _LABELS: 'label, several.joinToString("|"), probabilities[0].joinToString(" ")',
        _WINDOWS: 'probabilities.joinToString(" ")',
        "Regression": 'scores[0].joinToString(" ")',
        "Tagging": f'names.joinToString("|"), found{_KOTLIN_RANGES}, words{_KOTLIN_RANGES}',
        "Span": "shown, found?.start ?: 0, found?.end ?: 0",
        "Masked LM": 'candidates.joinToString("\\n") { "${it.first} ${it.second}" }',
        "Sentence embedding": 'likeness, vectors[0].joinToString(" ")',
        "Encoder": (
            'pooled[0].joinToString(" "), '
            'tokens[0].joinToString(" ") { row -> row.joinToString(" ") }'
        ),
    },
    "swift": {
        _LABELS: 'label, several.joined(separator: "|"), joined(probabilities)',
        _WINDOWS: "joined(probabilities)",
        "Regression": "joined(scores)",
        "Tagging": f'names.joined(separator: "|"), found{_SWIFT_RANGES}, words{_SWIFT_RANGES}',
        "Span": (
            'shown, "\\(place(found?.range.lowerBound, article))", '
            '"\\(place(found?.range.upperBound, article))"'
        ),
        "Masked LM": 'candidates.map { "\\($0.0) \\($0.1)" }.joined(separator: "\\n")',
        "Sentence embedding": '"\\(likeness)", joined(vectors[0])',
        "Encoder": "joined(pooled), joined(tokens)",
    },
}


def blocks_of(readme: Path, language: str) -> dict[str, str]:
    """The README's blocks of a language, by their first line, up to a colon."""
    found = re.findall(rf"```{language}\n// ([^\n:]*)[^\n]*\n(.*?)```", readme.read_text(), re.S)
    return {title: code for title, code in found if "import com.google.mediapipe" not in code}


def kotlin_snippets(readme: Path) -> str:
    """A function that runs the snippet of a title, in Kotlin."""
    imports, opened, rest = _parts(readme, "kotlin")
    cases = "\n".join(
        f'"{title}" -> {{\n{code}\nsay({SHOWN["kotlin"][title]})\n}}'
        for title, code in rest.items()
    )
    return f"""{imports}
fun snippet(title: String, folder: String) {{
val context = Context(folder)
val modelBuffer = java.nio.ByteBuffer.allocate(0)
{opened}
while (true) {{
val (text, second) = org.tensorflow.lite.Test.next() ?: break
val pair = second.ifEmpty {{ null }}
val question = text
val article = second
try {{
when (title) {{
{cases}
}} }} catch (error: IllegalArgumentException) {{ say("error", error.message) }} }} }}
"""


def swift_snippets(readme: Path) -> str:
    """A function that runs the snippet of a title, in Swift."""
    imports, opened, rest = _parts(readme, "swift")
    cases = "\n".join(
        f'case "{title}":\n{code}\nsay({SHOWN["swift"][title]})' for title, code in rest.items()
    )
    opened = opened.replace("Bundle.main.url", "Folder(path: folder).url")
    return f"""{imports.replace("import TensorFlowLite", "")}
struct Folder {{
    let path: String
    func url(forResource name: String, withExtension end: String) -> URL? {{
        URL(fileURLWithPath: path + "/" + name + "." + end)
    }}
}}
func snippet(_ title: String, _ folder: String) throws {{
let path = folder
{opened}
while let example = try Test.next() {{
let text = example[0]
let pair = example[1].isEmpty ? nil : example[1]
let question = text, article = example[1]
do {{
switch title {{
{cases}
default: fatalError(title)
}} }} catch let error as TestError {{ say("error", error.message) }} }} }}
"""


def _parts(readme: Path, language: str) -> tuple[str, str, dict[str, str]]:
    """The imports, what opens a file, and the other blocks."""
    blocks = blocks_of(readme, language)
    assert set(blocks) == {OPEN, *SHOWN[language]}, "a snippet that no test knows, or one is gone"
    lines = blocks.pop(OPEN).splitlines()
    imports = [line for line in lines if line.startswith("import ")]
    return "\n".join(imports), "\n".join(line for line in lines if line not in imports), blocks


class Program:
    """A compiled program; each run answers examples.

    Args:
        command: What starts it.
        folder: Where it finds the vocabulary and the labels.
    """

    def __init__(self, command: list[str | Path], folder: Path) -> None:
        self.command, self.folder = command, folder

    def run(self, arguments, examples, model=None):
        """The answers to examples: lists of texts.

        Args:
            arguments: What the program is started with.
            examples: Tuples of texts.
            model: The bytes of a TFLite file, for snippets.
        """
        interpreter = make_interpreter(model_content=model) if model else None
        desk = _Desk(interpreter, examples)
        with subprocess.Popen(
            [*self.command, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        ) as process:  # fmt: skip
            for line in process.stdout:
                reply = desk.reply(line.rstrip("\n").split(" "))
                if reply is not None:
                    process.stdin.write(reply + "\n")
                    process.stdin.flush()
        assert process.returncode == 0
        return desk.answers

    def snippet(self, title, model, tokenizer, labels, examples):
        """The answers of one of the README's snippets."""
        self.write(tokenizer.vocab, labels)
        return self.run([title, self.folder], examples, model)

    def tokenize(self, tokenizer, examples):
        """The encodings of examples: ids, mask, types, starts, ends, [left out]."""
        self.write(tokenizer.vocab)
        casing = tokenizer.casing
        strips = casing.do_lower_case if casing.strip_accents is None else casing.strip_accents
        switches = [casing.do_lower_case, strips, casing.tokenize_chinese_chars]
        words = [str(switch).lower() for switch in switches]
        rows = self.run(["tokenize", self.folder, *words], examples)
        return [[list(map(int, part.split())) for part in row[0].split(";")] for row in rows]

    def write(self, vocabulary, labels=()):
        """Puts the two files where the program finds them."""
        for name, lines in (("vocab.txt", vocabulary), ("labels.txt", labels)):
            (self.folder / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")


class _Desk:
    """Answers what the stand-ins for LiteRT's classes ask."""

    def __init__(self, interpreter, examples):
        self.examples, self.answers = iter(examples), []
        self.interpreter, self.given, self.outputs = interpreter, {}, {}

    def reply(self, words):
        """The answer to a request; None where none is waited for."""
        kind, *rest = words
        if kind == "answer":
            fields = ["" if field == "-" else field for field in rest]
            self.answers.append([bytes.fromhex(field).decode() for field in fields])
            return None
        try:
            return getattr(self, f"_{kind}")(*rest)
        except (ValueError, RuntimeError, KeyError) as error:
            return "error " + " ".join(str(error).split())

    def _next(self):
        example = next(self.examples, None)
        return "end" if example is None else " ".join(t.encode().hex() for t in example)

    def _open(self):
        return "ok"

    def _has(self, signature):
        self._runner = self.interpreter.get_signature_runner(signature)
        return "ok"

    def _details(self, kind):
        runner = self._runner
        return runner.get_input_details() if kind == "inputs" else runner.get_output_details()

    def _names(self):
        return " ".join(self._details("inputs"))

    def _shape(self, kind, name):
        return " ".join(map(str, self._details(kind)[name]["shape"]))

    def _signature(self, kind, name):
        return " ".join(map(str, self._details(kind)[name]["shape_signature"]))

    def _set(self, name, shape, *values):
        assert self._details("inputs")[name]["dtype"] is np.int32
        self.given[name] = np.array(values, np.int32).reshape([int(n) for n in shape.split(",")])
        return "ok"

    def _invoke(self):
        self.outputs = self._runner(**self.given)
        return "ok"

    def _get(self, name):
        values = self.outputs[name]
        assert values.dtype == np.float32
        shape = ",".join(map(str, values.shape))
        return f"{shape}|{' '.join(str(float(value)) for value in values.ravel())}"


def compile_kotlin(repository: Path, folder: Path) -> list[str | Path]:
    """What starts the Kotlin program; skips where there is no compiler."""
    spec = importlib.util.find_spec("run_kotlin_kernel")
    if spec is None or not shutil.which("java"):
        pytest.skip("needs java and pip install kotlin-jupyter-kernel")
    jars = Path(spec.submodule_search_locations[0]) / "jars"
    (compiler,), (library,) = jars.glob("*-all.jar"), jars.glob("kotlin-stdlib-*.jar")
    mobile = repository / "export" / "mobile"
    (folder / "Snippets.kt").write_text(kotlin_snippets(mobile / "README.md"))
    sources = [*mobile.glob("*.kt"), *PHONE.glob("*.kt"), folder / "Snippets.kt"]
    subprocess.run(
        ["java", "-cp", compiler, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib",
         "-no-reflect", "-cp", library, *sources, "-d", folder / "out"], check=True,
    )  # fmt: skip
    return ["java", "-Dfile.encoding=UTF-8", "-cp", f"{library}:{folder / 'out'}", "MainKt"]


def compile_swift(repository: Path, folder: Path) -> list[str | Path]:
    """What starts the Swift program; skips where there is no compiler."""
    if not shutil.which("swiftc"):
        pytest.skip("needs swiftc")
    mobile = repository / "export" / "mobile"
    (folder / "Snippets.swift").write_text(swift_snippets(mobile / "README.md"))
    sources = [*mobile.glob("*.swift"), *PHONE.glob("*.swift")]
    copies = [shutil.copy(source, folder) for source in sources]
    program = folder / "program"
    subprocess.run(["swiftc", *copies, folder / "Snippets.swift", "-o", program], check=True)
    return [program]


COMPILERS = {"kotlin": compile_kotlin, "swift": compile_swift}
