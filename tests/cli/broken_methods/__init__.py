"""Methods that are each broken in their own way, and some sound ones; a local plugin."""

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec

WAYS = (
    "at-import",
    "in-fit",
    "in-predict",
    "nan",
    "shape",
    "wrong-kind",
    "garbage",
    "writes-input",
    "endless",
    "greedy",
    "crash",
    "chatty",
    "exits",
    "forks",
    "hangs-at-import",
    "raises-at-import",
    "hangs-when-made",
    "aborts-when-made",
    "hangs-when-asked",
    "not-utf-8",
    "lies",
    "lies-well",
)
ELSEWHERE = {
    "at-import": ".absent:Broken",
    "hangs-at-import": ".endless:Broken",
    "raises-at-import": ".raising:Broken",
}


@hookimpl
def bench_register_methods():
    yield MethodSpec(name="sound", summary="grey", factory=".code:Sound", present_kind="point")
    yield MethodSpec(
        name="late",
        summary="grey, and reports when its bar has ended",
        factory=".code:Late",
        present_kind="point",
    )
    yield MethodSpec(
        name="slow-once",
        summary="its first fit takes very long",
        factory=".code:SlowOnce",
        present_kind="point",
    )
    yield MethodSpec(
        name="babbles",
        summary="grey, and writes to whoever listens",
        factory=".code:Babbles",
        present_kind="point",
    )
    yield MethodSpec(
        name="daemon",
        summary="grey, and leaves a process",
        factory=".code:Daemon",
        present_kind="point",
    )
    yield MethodSpec(
        name="endless-daemon",
        summary="never ends, and leaves a process",
        factory=".code:EndlessDaemon",
        present_kind="point",
    )
    yield MethodSpec(
        name="daemon-of-one-that-dies",
        summary="leaves a process and dies",
        factory=".code:DaemonOfOneThatDies",
        present_kind="point",
    )
    for way in WAYS:
        factory = ELSEWHERE.get(way, f".code:{''.join(w.title() for w in way.split('-'))}")
        yield MethodSpec(name=way, summary="broken", factory=factory, present_kind="point")
