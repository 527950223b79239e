"""Every task's export, asked as export/serving/README.md says."""

import io
import json
import re
import shlex

import pytest

# The README's name of each kind of model.
NAMES = {
    "classification": "classification",
    "pairs": "classification of pairs",
    "multi_label": "multi-label",
    "regression": "regression",
    "several_numbers": "regression, several numbers",
    "cross_encoder": "cross-encoder",
    "tagging": "tagging",
    "span": "span",
    "multiple_choice": "multiple choice",
    "masked_lm": "masked LM",
    "next_sentence": "next sentence",
    "encoder": "encoder",
    "sentence_embedding": "sentence embedding",
}


@pytest.fixture(scope="module")
def readme(repository):
    return (repository / "export" / "serving" / "README.md").read_text(encoding="utf-8")


def table(readme):
    """The inputs and outputs of each model, as the README has them."""
    part = readme[readme.index("## What to ask") :]
    rows = re.findall(r"^\| (.+?) \| (`.+?) \| (`.+?) \|$", part, re.MULTILINE)
    return {name: tuple(re.findall(r"`(\w+)`", column) for column in columns)
            for name, *columns in rows}  # fmt: skip


def test_the_readme_names_every_kind(readme):
    names = list(table(readme))
    assert sorted(names) == sorted(NAMES.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(NAMES))
def test_both_clients_give_each_tasks_answers_by_the_names_of_the_readme(
    model_server, exported, session, readme, kind, compare_answers
):
    inputs, outputs = table(readme)[NAMES[kind]]
    definition = session(kind).signatures["serving_default"]
    assert sorted(definition.inputs) == inputs
    assert sorted(definition.outputs) == outputs
    with model_server.serving({kind: exported(kind)}) as server:
        compare_answers(kind, server.rest_port, server.grpc_port)


# The models of the README's commands.
MODELS = {"sst2": "classification", "mrpc": "pairs", "squad": "span", "wnut16": "tagging",
          "mlm": "masked_lm"}  # fmt: skip


@pytest.mark.slow
def test_the_readmes_commands_run(
    readme, model_server, exported, scripts, tmp_path, monkeypatch, capsys
):
    blocks = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.txt").write_text("a fine film\na waste of time\n")
    ran = []
    with model_server.serving({name: exported(kind) for name, kind in MODELS.items()}) as server:
        rest, rpc = f"http://127.0.0.1:{server.rest_port}", f"127.0.0.1:{server.grpc_port}"
        more = {
            "rest_client": ["--url", rest],
            "grpc_client": ["--address", rpc],
            "load": ["--seconds", "0.5", "--url", rest],
        }
        for line in lines:
            words = shlex.split(line.split("  #")[0])
            if words[:1] == ["echo"]:
                with open(words[3], words[2].replace(">>", "a").replace(">", "w")) as file:
                    file.write(words[1] + "\n")
            if words[:1] != ["python"]:
                continue
            name = words[1].removesuffix(".py")
            arguments = [*words[2:], "--timeout", "60", *more[name]]
            arguments += ["--grpc", rpc] if "--grpc" in words else []
            if "<" in words:
                place = arguments.index("<")
                given = io.BytesIO((tmp_path / arguments[place + 1]).read_bytes())
                monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
                del arguments[place : place + 2]
            assert scripts[name].main(arguments) == 0, line
            printed = capsys.readouterr()
            assert printed.err == ""
            if name != "load":
                assert all(isinstance(json.loads(row), dict) for row in printed.out.splitlines())
            ran.append((name, words))
    assert {name for name, _ in ran} == {"rest_client", "grpc_client", "load"}
    models = {words[words.index("--model") + 1] for _, words in ran}
    assert models == set(MODELS)


@pytest.mark.slow
def test_the_readmes_python_gives_an_answer(readme, model_server, exported, scripts):
    (code,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    with model_server.serving({"squad": exported("span")}) as server:
        url = f"http://127.0.0.1:{server.rest_port}"
        names = {}
        exec(code.replace('RestClient("squad")', f'RestClient("squad", "{url}", 60)'), names)  # noqa: S102
    assert len(names["answers"]["answers"]) == 1
