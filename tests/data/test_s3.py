"""Sets on S3: real servers on loopback, two of them, and a proxy that fails."""

import http.client
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

import bench.kills
import data.store
from bench.kills import build, bytes_of
from data.claims import claim
from data.store import Store
from data.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(bench.kills.__file__).parents[1]
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, running: subprocess.Popen[bytes]) -> bool:
    """Whether the server came to answer there, however long that took, instead of ending: the port may be taken."""
    while running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


@pytest.fixture(params=["moto", "localbucket"])
def server(request, tmp_path, monkeypatch) -> Iterator[int]:
    """An S3 server with an empty bucket called `bucket`; gives its port."""
    (tmp_path / "s3").mkdir()
    for _ in range(3):
        port = free_port()
        commands = {
            "moto": [BIN / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
            "localbucket": [BIN / "localbucket", "--port", str(port), tmp_path / "s3"],
        }
        running = subprocess.Popen(commands[request.param], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if answers(port, running):
            break
    try:
        assert running.poll() is None, "no server started"
        for name, value in {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="bucket")
        yield port
    finally:
        running.kill()
        running.wait()
        data.store.fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def expected(tmp_path) -> dict[str, bytes]:
    """The bytes of an undisturbed build into a folder."""
    build(tmp_path / "undisturbed/run", str(tmp_path / "undisturbed/set"), workers=0, attempts=40)
    return bytes_of(Store(str(tmp_path / "undisturbed/set")))


def test_a_set_on_s3_has_the_bytes_of_one_in_a_folder(server, expected, tmp_path):
    store = Store("s3://bucket/a/set")

    build(tmp_path / "run", store.url, workers=0, attempts=40)

    assert bytes_of(store) == expected
    assert verify(store) == []


def test_kills_on_the_way_to_s3_change_no_byte(server):
    arguments = [sys.executable, "-m", "bench.kills", "--kills", "8", "--url", "s3://bucket/kills"]

    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_of_eight_who_create_a_file_at_once_one_succeeds(server):
    stores = [Store("s3://bucket/race") for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda pair: pair[1].create("index.json", b"%d" % pair[0]), enumerate(stores)))

    assert sum(created) == 1
    assert stores[0].read("index.json") == b"%d" % created.index(True)


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_uploads_that_a_killed_process_left_are_dropped(server):
    client = boto3.client("s3")
    for key in ("mine/train-000000.tar", "another/train-000000.tar"):
        upload = client.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]
        client.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=1, Body=b"x" * 10)

    with claim(Store("s3://bucket/mine"), "me"):
        left = client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])

    assert [upload["Key"] for upload in left] == ["another/train-000000.tar"]


def proxy_to(port: int, faults: Iterator[str]) -> ThreadingHTTPServer:
    """An HTTP proxy that answers 500, or nothing at all, when `faults` says so, before or after passing it on."""

    class Faulty(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = next(faults)
            if fault == "500":
                return self.answer(500, [], b"")
            if fault == "stall":
                time.sleep(3)
                self.close_connection = True
                return None
            upstream = http.client.HTTPConnection("127.0.0.1", port)
            upstream.request(self.command, self.path, body, dict(self.headers))
            found = upstream.getresponse()
            content = found.read()
            if fault == "500 after":
                return self.answer(500, [], b"")
            return self.answer(found.status, found.getheaders(), content)

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            length = {name.lower(): value for name, value in headers}.get("content-length")
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Faulty)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    return found


def faults_of(seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    while True:
        yield draw.choices(["", "500", "500 after", "stall"], [88, 6, 4, 2])[0]


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_a_store_that_answers_500_or_stalls_changes_no_byte(server, expected, tmp_path, monkeypatch):
    proxy = proxy_to(server, faults_of(0))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_port}")
    monkeypatch.setattr(data.store, "PATIENCE", {"connect_timeout": 1, "read_timeout": 1})
    data.store.fsspec.get_filesystem_class("s3").clear_instance_cache()
    store = Store("s3://bucket/faulty")

    for _ in range(30):
        try:
            build(tmp_path / "run", store.url, workers=0, attempts=40)
            break
        except Exception:  # noqa: BLE001  a store that fails for good ends the build, and the next one goes on
            continue

    proxy.shutdown()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server}")
    data.store.fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert bytes_of(Store(store.url)) == expected


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_a_run_builds_on_s3_goes_on_after_a_kill_and_trains_from_there(server, tmp_path):
    brief = {
        "training.steps": 40,
        "judges.fit.steps": 40,
        "generator.steps": 100,
        "shards.attempts": 200,
        "evaluation.samples": 20,
    }
    given = brief | {"checks.agreement": 0.1, "checks.margin_band": 3, "shards.url": "s3://bucket/hard"}
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "pipelines.cli", "run", "digits_quick", "--run", str(tmp_path / "run"), *options]
    killed = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = Store("s3://bucket/hard")
    while not store.has("train-000000.tar"):
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, 9)
    killed.wait()

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "s3://bucket/hard" in done.stdout
    assert verify(store) == []
    checked = [sys.executable, "-m", "pipelines.cli", "verify", store.url]
    assert subprocess.run(checked, check=False, capture_output=True).returncode == 0
