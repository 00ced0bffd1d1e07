"""Ten methods, each broken in its own way, and a sound one; a local plugin."""

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec

WAYS = ("at-import", "in-fit", "in-predict", "nan", "shape", "wrong-kind", "garbage", "writes-input", "endless", "greedy", "crash")


@hookimpl
def bench_register_methods():
    yield MethodSpec(name="sound", summary="grey", factory=".code:Sound", present_kind="point")
    for way in WAYS:
        factory = ".absent:Broken" if way == "at-import" else f".code:{''.join(w.title() for w in way.split('-'))}"
        yield MethodSpec(name=way, summary="broken", factory=factory, present_kind="point")
