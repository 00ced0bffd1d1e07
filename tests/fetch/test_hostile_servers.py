"""What `bench data fetch` does with servers that lie, never end, or lead elsewhere: one line,
nothing wrong kept, no more than its share of disk and time."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from bench.contracts.execution import Quiet
from bench.errors import BenchError
from bench.fetch import data_home, downloads, web
from bench.fetch.web import PIECE, Limits
from bench.plugins.loader import registry

from ..server import serving
from .test_fetch import Heard, fetch, left, zipped

pytestmark = pytest.mark.usefixtures("quick")
BODY = np.random.default_rng(0).bytes(2**20 + 77)
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
PATIENT = Limits(size=2**21, reserve=0)
HASTY = replace(PATIENT, window=0.5)
"""For servers that never send 10 kB in a second; no honest one is asked, which a busy machine may
make as slow."""


def refused(site, path, said, limits=PATIENT, digest="", name="x"):
    """The only line; gives what stays."""
    with pytest.raises(BenchError, match=said) as caught:
        fetch([f"{site.url}/{name}"], path, digest, Quiet(), limits)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    assert not path.exists()
    return left(path.parent)


def answer(status="200 OK", body=b"", **headers):
    """One answer, as it is."""
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        "",
        "",
    ]

    def write(handler):
        handler.close_connection = True
        handler.wfile.write("\r\n".join(lines).encode("latin-1") + body)

    return write


def endless(site, head, piece, pause=0.0):
    def write(handler):
        handler.close_connection = True
        handler.wfile.write(head)
        while not site.closed.wait(pause):
            handler.wfile.write(piece)

    return write


OK = b"HTTP/1.1 200 OK\r\n"
CHUNK = b"10000\r\n" + bytes(2**16) + b"\r\n"
SLOW = {
    "body": (OK + b"\r\n", b"x"),
    "body of a known length": (OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "length of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "end of chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    "status": (b"", b"H"),
    "headers": (OK, b"x"),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_byte_now_and_then_is_given_up(site, path, kind):
    site.raw["/x"] = [endless(site, *SLOW[kind], pause=0.02)]
    refused(site, path, "it sends less than 10 kB a second", HASTY)
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\na: b\r\n\r\n"]
)
def test_a_flood_of_interim_answers_is_given_up(site, path, piece):
    site.raw["/x"] = [endless(site, b"", piece * 100)]
    assert refused(site, path, "it sends less than 10 kB a second", HASTY) == []


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"x" * 999),
        (OK, b"a: b\r\n" * 99),
        (OK, b"x" * 999),
        (b"HTTP/1.1 103 Early\r\n\r\n", b"x"),
    ],
)
def test_endless_headers_end(site, path, head, piece):
    site.raw["/x"] = [endless(site, head, piece) for _ in range(downloads.TRIES)]
    assert refused(site, path, "can't fetch") == []


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (OK + b"\r\n", bytes(2**16)),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
        (OK + b"Content-Length: 100000000000000\r\n\r\n", bytes(2**16)),
        (OK + b"Content-Length: 9\xb2\r\n\r\n", bytes(2**16)),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", bytes(2**16)),
    ],
    ids=["to its end", "chunks", "declared", "odd length", "long length"],
)
def test_an_endless_file_is_cut_at_the_sets_own_size(site, path, head, piece):
    site.raw["/x"] = [endless(site, head, piece)]
    assert refused(site, path, r"it sends more than 0\.0021 GB, which this file can't have") == []
    assert len(site.asked) == 1


def test_the_limit_is_twice_the_published_size(site, tmp_path, monkeypatch):
    spec = registry().get("datasets", "lfw")
    monkeypatch.setitem(
        registry().specs["datasets"],
        "lfw",
        replace(spec, download=replace(spec.download, gigabytes=0.0005)),
    )
    site.raw["/x"] = [endless(site, OK + b"\r\n", bytes(2**16))]
    with pytest.raises(BenchError, match=r"it sends more than 0\.001 GB"):
        data_home.fetch("lfw", tmp_path / "home", Quiet(), [f"{site.url}/x"])
    assert left(tmp_path) == []
    limits = {
        name: s.download.gigabytes
        for name, s in registry().specs["datasets"].items()
        if getattr(s, "download", None)
    }
    assert {"lfw", "church"} <= limits.keys()
    assert all(limits.values())


def test_the_disk_keeps_a_reserve_while_a_file_of_unknown_size_grows(site, path):
    site.raw["/x"] = [endless(site, OK + b"\r\n", bytes(2**16))]
    refused(site, path, r"too little room.*make room", replace(PATIENT, reserve=2**60))


def test_a_fetch_has_an_end_though_each_second_of_it_is_fast(site, path):
    site.raw["/x"] = [endless(site, OK + b"\r\n", bytes(2**10), pause=0.01)]
    refused(site, path, "it takes longer than 0.5 s", replace(PATIENT, size=2**40, total=0.5))


def test_tries_that_bring_a_byte_each_end(site, path):
    site.files["/x"] = BODY
    site.cuts["/x"] = [1] * 100
    refused(site, path, "can't fetch")
    assert len(site.asked) <= downloads.TRIES + 1


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(bytes(2**26))),
        ("x-gzip", gzip.compress(bytes(2**26))),
        ("deflate", zlib.compress(bytes(2**26))),
        ("br", b"x"),
        ("zstd", b"x"),
        ("identity, gzip", gzip.compress(bytes(2**26))),
    ],
)
def test_an_encoded_file_is_refused(site, path, encoding, body):
    site.raw["/x"] = [answer(body=body, Content_Encoding=encoding, Content_Length=len(body))]
    assert refused(site, path, "it sends the file encoded", replace(PATIENT, size=2**40)) == []
    assert len(site.asked) == 1


def test_an_unknown_way_to_send_it_is_refused_and_identity_is_none(site, path):
    site.raw["/x"] = [
        answer(body=b"x", Transfer_Encoding="gzip, chunked"),
        answer(body=BODY, Content_Encoding="Identity", Content_Length=len(BODY)),
    ]
    assert refused(site, path, "in a form that is not known") == []
    fetch([f"{site.url}/x"], path, DIGEST, Quiet(), PATIENT)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "status",
    [
        "204 No Content",
        "206 Partial Content",
        "300 Multiple Choices",
        "304 Not Modified",
        "404 No\rt Found",
        "416 Range Not Satisfiable",
        "103 Early Hints",
        "499 x",
        "200",
    ],
)
def test_other_statuses_are_no_file(site, path, status):
    site.raw["/x"] = [answer(status, b"page", Content_Length=4, Content_Range="bytes 0-3/4")]
    if status == "200":  # a reason is not needed
        fetch([f"{site.url}/x"], path, "", Quiet(), PATIENT)
        assert path.read_bytes() == b"page"
    else:
        assert refused(site, path, f"the server says {status.partition(' ')[0]}") == []


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/x", "leads elsewhere more than 5 times"),
        ("file:///etc/passwd", "no http:// or https://"),
        ("ftp://localhost/a", "no http"),
        ("data:text/plain,hello", "no http"),
        ("gopher://[", "can't fetch"),
        ("http://", "can't fetch"),
        ("http://[::1", "can't fetch"),
        ("http://\xff\xfe/", "can't fetch"),
        ("http://" + "a" * 300 + "/", "can't fetch"),
        ("http://127.0.0.1:99999/", "can't fetch"),
        ("javascript:alert(1)", "no http"),
        ("//", "can't fetch"),
    ],
)
def test_redirects_lead_to_the_web_and_come_to_an_end(site, path, location, said):
    site.raw["/x"] = [answer("302 Found", Location=location, Content_Length=0) for _ in range(50)]
    assert refused(site, path, said) == []
    assert len(site.asked) <= 6


@pytest.mark.parametrize("location", ["/body", "HTTP:/body"])
def test_what_a_redirect_sends_beside_is_not_read(site, path, location):
    """requests reads it into memory, and decodes it."""
    site.files["/body"] = BODY
    bomb = gzip.compress(bytes(2**20)) * 64
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Encoding: gzip\r\n\r\n".encode()
    site.raw["/x"] = [endless(site, head, bomb)]
    fetch([f"{site.url}/x"], path, DIGEST, Quiet(), replace(PATIENT, total=300))
    assert path.read_bytes() == BODY


def test_no_redirect_leads_from_https_to_http():
    with pytest.raises(web.Refused, match=r"from https:// to 'http://example\.org/b'"):
        web._led("https://example.org/a", "http://example.org/b")
    assert web._led("http://example.org/a", "https://example.org/b") == "https://example.org/b"
    assert web._led("https://example.org/a", "//example.org/b") == "https://example.org/b"


def test_no_redirect_leads_from_https_to_http_in_earnest(site, path, tmp_path, monkeypatch):
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        "key.pem",
        "-out",
        "own.pem",
    ]
    try:
        subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no openssl here that makes a certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "own.pem"))

    def encrypt(server):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "own.pem", tmp_path / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)

    site.files["/body"] = BODY
    with serving(encrypt) as safe:
        safe.url = safe.url.replace("http:", "https:")
        safe.files["/body"], safe.moved = (
            BODY,
            {"/down": f"{site.url}/body", "/up": f"{safe.url}/body"},
        )
        assert refused(safe, path, r"it leads from https:// to", name="down") == []
        assert site.asked == []
        fetch([f"{safe.url}/up"], path, DIGEST, Quiet(), PATIENT)
        safe.raw["/slow"] = [endless(safe, OK, b"x", pause=0.02)]
        path.unlink()
        refused(safe, path, "it sends less than 10 kB a second", HASTY, name="slow")


def test_a_server_that_never_finishes_to_negotiate_is_given_up(site, path):
    """A handshake of TLS, a byte at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            client, _ = listening.accept()
            with client:
                client.recv(2**16)
                try:
                    client.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb")
                    while not site.closed.wait(0.02):
                        client.sendall(b"x")
                except OSError:
                    pass

        threading.Thread(target=drip, daemon=True).start()
        site.url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        refused(site, path, "it sends less than 10 kB a second", HASTY)


def test_no_redirect_leads_from_the_world_into_the_local_network(site, path, monkeypatch):
    site.files["/body"] = BODY
    site.moved["/x"] = f"{site.url}/body"
    outside = iter([True, False])
    monkeypatch.setattr(web, "_is_outside", lambda made: next(outside))
    assert refused(site, path, "it leads into the local network") == []
    assert [asked for asked, _ in site.asked] == ["/x"]


@pytest.mark.parametrize(
    ("address", "outside"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_what_the_local_network_is(address, outside):
    made = type("Socket", (), {"getpeername": lambda self: (address, 80)})()
    assert web._is_outside(made) is outside


HAVE = 5 * PIECE
WHOLE = len(BODY)


def part(path, url, mark='"1"', content=None, **more):
    path.parent.mkdir(parents=True)
    (path.parent / f".{path.name}.part").write_bytes(BODY[:HAVE] if content is None else content)
    (path.parent / f".{path.name}.part.json").write_text(
        json.dumps({"url": url, "mark": mark, **more})
    )


def rest(begin=HAVE, end=WHOLE - 1, total=WHOLE, tag='"1"', body=None, **headers):
    reach = {"Content_Range": f"bytes {begin}-{end}/{total}"}
    return answer(
        "206 Partial Content", BODY[HAVE:] if body is None else body, ETag=tag, **(reach | headers)
    )


LIES = {
    "another begin": lambda: rest(begin=HAVE + 1, body=BODY[HAVE + 1 :]),
    "from the start": lambda: rest(begin=0, body=BODY),
    "a begin that is a lie": lambda: rest(body=BODY),
    "another end": lambda: rest(end=WHOLE - 2),
    "a shorter total": lambda: rest(end=WHOLE - 9, total=WHOLE - 8, body=BODY[HAVE:-8]),
    "a longer total": lambda: rest(end=WHOLE, total=WHOLE + 1, body=BODY[HAVE:] + b"x"),
    "an unknown total": lambda: rest(total="*"),
    "no range": lambda: answer("206 Partial Content", BODY[HAVE:], ETag='"1"'),
    "no numbers": lambda: rest(begin="\xb2"),
    "huge numbers": lambda: rest(begin="9" * 5000),
    "another unit": lambda: rest(Content_Range=f"pages {HAVE}-{WHOLE - 1}/{WHOLE}"),
    "several ranges": lambda: answer(
        "206 Partial Content", b"--x\r\n\r\n", ETag='"1"', Content_Type="multipart/byteranges"
    ),
    "another tag": lambda: rest(tag='"2"', body=bytes(WHOLE - HAVE)),
    "a length that is none of it": lambda: rest(Content_Length=WHOLE),
    "the whole": lambda: answer("200 OK", BODY, ETag='"1"', Content_Length=WHOLE),
    "another file": lambda: answer("200 OK", BODY, ETag='"2"', Content_Length=WHOLE),
    "no such range": lambda: answer("416 Range Not Satisfiable", ETag='"1"', Content_Length=0),
    "no such range of a shorter file": lambda: answer(
        "416 Range Not Satisfiable", Content_Length=0, Content_Range="bytes */9"
    ),
    "no range of a file that ends here": lambda: answer(
        "416 No", Content_Length=0, Content_Range=f"bytes */{HAVE}"
    ),
    "no range, and another unit": lambda: answer(
        "416 No", Content_Length=0, Content_Range=f"pages */{HAVE}"
    ),
    "no range, with the numbers of one": lambda: answer(
        "416 No", Content_Length=0, Content_Range=f"bytes {HAVE}-9/{HAVE}"
    ),
}


@pytest.mark.parametrize("digest", ["", DIGEST])
@pytest.mark.parametrize("kind", LIES)
def test_lies_about_the_rest_are_never_put_together(site, path, kind, digest):
    site.files["/x"] = BODY
    part(path, f"{site.url}/x", total=len(BODY))
    site.raw["/x"] = [LIES[kind]()]
    fetch([f"{site.url}/x"], path, digest, Quiet(), PATIENT)
    assert path.read_bytes() == BODY
    assert site.asked[0] == ("/x", f"bytes={HAVE}-")
    assert left(path.parent) == ["body.bin"]


@pytest.mark.parametrize(
    "kind", [kind for kind in LIES if "whole" not in kind and "another file" not in kind]
)
def test_a_server_that_always_lies_is_given_up(site, path, kind):
    part(path, f"{site.url}/x", total=len(BODY))
    site.raw["/x"] = [LIES[kind]() for _ in range(100)]
    refused(site, path, "can't fetch", replace(PATIENT, size=2**30), DIGEST)
    assert len(site.asked) <= 2 * downloads.TRIES


def test_a_server_that_lies_every_other_time_is_given_up(site, path):
    """Each honest answer brings something, and each lie takes it."""
    site.files["/x"] = BODY
    site.cuts["/x"] = [HAVE] * 100
    site.raw["/x"] = [None, LIES["another begin"]()] * 50
    refused(site, path, "can't fetch", PATIENT)
    assert len(site.asked) <= 4 * downloads.TRIES


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"[1]",
        b"{",
        b'{"url": 7}',
        b'{"url": "%s", "mark": [1]}',
        b"\xff\xfe\x00",
        b"[" * 99999,
    ],
)
def test_a_damaged_note_begins_anew(site, path, note):
    site.files["/x"] = BODY
    part(path, f"{site.url}/x", content=b"nonsense" * 9)
    (path.parent / f".{path.name}.part.json").write_bytes(
        note.replace(b"%s", f"{site.url}/x".encode())
    )
    fetch([f"{site.url}/x"], path, "", Quiet(), PATIENT)
    assert path.read_bytes() == BODY


ODD = b"\r\n :/\x00\xff09;,-*\tazZ"


@pytest.mark.parametrize("slow", [pytest.param(2000, marks=pytest.mark.slow), 150])
def test_mutated_answers_are_one_line_or_the_file(site, path, slow):
    """Valid answers, with some bytes of their heads changed."""
    chance = random.Random(slow)
    heads = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: "1"\r\n\r\n',
        b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-8/9\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n",
    )
    site.files["/y"] = b"the other"
    for number in range(slow):
        head = bytearray(chance.choice(heads))
        for _ in range(chance.choice((1, 1, 2, 5))):
            at = chance.randrange(len(head))
            head[at : at + chance.choice((0, 1, 1, 3))] = bytes(
                chance.choices(ODD, k=chance.randrange(3))
            )
        body = bytes(chance.choices(b"abcdef0\r\n", k=20))

        def write(handler, sent=bytes(head) + body):
            handler.close_connection = True
            handler.wfile.write(sent)

        site.raw["/x"] = [write] * downloads.TRIES
        name = path.with_name(f"{number}.bin")
        with suppress(BenchError):
            fetch(
                [f"{site.url}/x"],
                name,
                "",
                heard := Heard(),
                replace(PATIENT, total=300, silence=5),
            )
        assert all(len(line.splitlines()) == 1 for line in heard.lines), head
        assert not name.exists() or name.stat().st_size <= len(head) + 20


FILES = {f"{i}.bin": random.Random(i).randbytes(2**18) for i in range(24)}


def until(seconds, line):
    """What a call said, and its status; it is killed after so many seconds, and then there is none."""
    child = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        return child.communicate(timeout=seconds)[1], child.returncode
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return "", None


@pytest.mark.parametrize("kills", [pytest.param(60, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("way", ["url", "file"])
def test_killed_at_any_moment_the_next_call_ends_with_the_right_file(site, tmp_path, way, kills):
    """And with nothing else: no lock, no part, no folder half unpacked."""
    content = zipped({f"church_outdoor_train_lmdb/{name}": data for name, data in FILES.items()})
    site.files["/x"], site.pause = content, 0.02
    (tmp_path / "mine.zip").write_bytes(content)
    given = ["--url", f"{site.url}/x"] if way == "url" else ["--file", str(tmp_path / "mine.zip")]
    chance, killed = random.Random(way), 0
    line = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "data",
        "fetch",
        "church",
        *given,
        "--data-home",
    ]
    begun = time.monotonic()
    assert until(None, [*line, str(tmp_path / "undisturbed")])[1] == 0
    duration = time.monotonic() - begun
    for number in range(20 * kills):
        home, status = tmp_path / str(number), None
        while status is None:
            said, status = until(chance.uniform(0.5, 1.1) * duration, [*line, str(home)])
            killed += status is None
        assert status == 0 or "is there already" in said, said
        place = home / "church_outdoor_train_lmdb"
        assert {file.name: file.read_bytes() for file in place.iterdir()} == FILES
        assert [file.name for file in sorted(home.iterdir())] == [place.name, "fetched.json"]
        assert (
            json.loads((home / "fetched.json").read_text())["datasets"]["church"]["files"].keys()
            == FILES.keys()
        )
        if killed >= kills:
            return
    raise AssertionError(f"only {killed} calls could be killed")
