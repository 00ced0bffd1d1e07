"""Methods that are each broken in their own way, and three sound ones; a local plugin."""

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec

WAYS = ("at-import", "in-fit", "in-predict", "nan", "shape", "wrong-kind", "garbage", "writes-input", "endless", "greedy", "crash",
        "chatty", "exits", "forks")  # fmt: skip


@hookimpl
def bench_register_methods():
    yield MethodSpec(name="sound", summary="grey", factory=".code:Sound", present_kind="point")
    yield MethodSpec(name="late", summary="grey, and reports when its bar has ended", factory=".code:Late", present_kind="point")
    yield MethodSpec(name="slow-once", summary="its first fit takes very long", factory=".code:SlowOnce", present_kind="point")
    for way in WAYS:
        factory = ".absent:Broken" if way == "at-import" else f".code:{''.join(w.title() for w in way.split('-'))}"
        yield MethodSpec(name=way, summary="broken", factory=factory, present_kind="point")
