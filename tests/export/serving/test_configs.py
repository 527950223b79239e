import re

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2


@pytest.fixture
def folder(repository):
    return repository / "export" / "serving"


def test_the_model_config_is_what_tf_serving_reads(folder):
    config = text_format.Parse(
        (folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert model.base_path == f"/models/{model.name}"
    assert model.model_version_policy.latest.num_versions == 1


def test_compose_mounts_what_its_flags_name(folder, protocol):
    services = yaml.safe_load((folder / "docker-compose.yaml").read_text())["services"]
    command = services["serving"]["command"]
    files = [flag.split("=/config/")[1] for flag in command if "=/config/" in flag]
    assert sorted(files) == ["batching.config", "models.config", "monitoring.config"]
    assert all((folder / name).exists() for name in files)
    assert "./models:/models:ro" in services["serving"]["volumes"]
    scrape = yaml.safe_load((folder / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scrape["static_configs"] == [{"targets": ["serving:8501"]}]
    monitoring = protocol.parse("MonitoringConfig", folder / "monitoring.config").prometheus_config
    assert monitoring.enable
    assert monitoring.path == scrape["metrics_path"]


def test_the_batching_config_is_what_tf_serving_reads_and_sets_threads_alone(folder, protocol):
    """With parameters for each model the server passes over all others."""
    parameters = protocol.parse("BatchingParameters", folder / "batching.config")
    fields = {field.name for field, _ in parameters.ListFields()}
    assert fields == {"num_batch_threads", "thread_pool_name"}
    assert parameters.num_batch_threads.value >= 1


def test_the_image_is_the_same_everywhere(folder):
    texts = [(folder / name).read_text() for name in ("README.md", "docker-compose.yaml")]
    images = {image for text in texts for image in re.findall(r"tensorflow/serving:[\d.]+", text)}
    assert len(images) == 1


def test_the_readme_names_every_file(folder):
    readme = (folder / "README.md").read_text()
    for path in folder.iterdir():
        if path.is_file():
            assert path.name in readme or path.name in ("README.md", "docker-compose.yaml")
