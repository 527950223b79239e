"""The site, as Chromium shows it: every page renders, the search finds, no link is dead.

`make test-docs` has what it needs; elsewhere it is skipped.
"""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("mkdocs")
pytest.importorskip("material")
webdriver = pytest.importorskip("selenium.webdriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium"),
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="needs chromedriver"),
]
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --hide-scrollbars --host-resolver-rules=MAP~*~127.0.0.1"
)
PHONE = 390


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def address(site):
    """The address that the site is served at."""
    handler = functools.partial(QuietHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Says nothing of requests."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS.split():
        options.add_argument(flag.replace("~", " "))
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page_names(site):
    """The paths of all pages."""
    found = sorted(path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    assert len(found) > 50
    return ["" if name == "." else f"{name}/" for name in found]


def test_every_page_renders_without_an_error_and_asks_no_other_host(address, browser, page_names):
    for name in page_names:
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(f"{address}/{name}")
        heading = browser.execute_script("return document.querySelector('h1')?.innerText")
        assert heading, name
        assert browser.get_log("browser") == [], name
        asked = re.findall(r'"url":"(https?://[^"]+)"', str(browser.get_log("performance")))
        assert [url for url in asked if not url.startswith(address)] == [], name


def test_no_page_is_wider_than_a_phone(address, browser, page_names):
    browser.set_window_size(PHONE, 844)
    metrics = {"width": PHONE, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for name in page_names:
            browser.get(f"{address}/{name}")
            width = browser.execute_script("return document.documentElement.scrollWidth")
            assert width <= PHONE, f"{name} is {width} pixels wide"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("resume", "guides/long_runs/"),
        ("quantize", "guides/phones/"),
        ("layer_decay", "reference/recipes_finetune/"),
        ("fill-mask", "reference/commands/"),
        ("WarmupLinearDecay", "reference/api/training/"),
        ("采样", "zh/guides/sampling/"),
    ],
)
def test_the_search_finds(asked, page, address, browser):
    browser.set_window_size(1280, 900)
    browser.get(f"{address}/?q={urllib.parse.quote(asked)}")
    found = []
    for _ in range(100):
        links = browser.execute_script(
            "return [...document.querySelectorAll('.md-search-result__link')].map(a => a.href)"
        )
        found = [link.removeprefix(f"{address}/").partition("?")[0] for link in links]
        if page in found:
            return
        time.sleep(0.1)
    pytest.fail(f"{asked}: {found}")


def test_no_link_is_dead(site, page_names):
    for name in page_names:
        html = (site / name / "index.html").read_text(encoding="utf-8")
        for link in re.findall(r'(?:href|src)="([^"]+)"', html):
            target = urllib.parse.urlsplit(link)
            if target.scheme or target.netloc:
                continue
            path = Path(os.path.normpath(site / name / urllib.parse.unquote(target.path)))
            file = path / "index.html" if path.is_dir() else path
            assert file.is_file(), f"{name}: {link}"
            if target.fragment and file.suffix == ".html":
                anchor = urllib.parse.unquote(target.fragment)
                there = file.read_text(encoding="utf-8")
                assert re.search(rf'(?:id|name)="{re.escape(anchor)}"', there), f"{name}: {link}"


def test_a_page_says_its_language(site):
    for name, language in (("zh/guides/data", "zh-CN"), ("guides/data", "en")):
        html = (site / name / "index.html").read_text(encoding="utf-8")
        assert f'<html lang="{language}"' in html


def test_the_reference_tells_what_base_classes_tell(site):
    page = (site / "reference" / "api" / "tasks" / "index.html").read_text(encoding="utf-8")
    own, _, rest = page.partition('id="bert_keras.Classification"')[2].partition("<h2")
    assert "The label whose F1 is measured" in own
    assert "Longest sequence of a feature" in own
    assert "bert_keras.MaskedLM" in rest
