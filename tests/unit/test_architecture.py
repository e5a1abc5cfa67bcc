"""The picture of the imports between packages, and that all of its arrows go down."""

from tools.architecture import PAGE, arrows, layer_of, page


def test_committed_picture_is_current():
    assert PAGE.read_text() == page(), "run `make architecture` and commit docs/architecture.md"


def test_every_arrow_between_packages_goes_down():
    assert [(one, other) for one, other in arrows() if layer_of(one) >= layer_of(other)] == []
