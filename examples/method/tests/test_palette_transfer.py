from bench.testing import parametrize_with_checks


@parametrize_with_checks(["palette-transfer"])
def test_conformance(check):
    check()
