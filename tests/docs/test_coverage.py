"""docs/coverage.md is what the code makes of itself."""

from parity.page import PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == page(), "run `python tests/parity/page.py`"


def test_a_second_page_is_the_same():
    assert page() == page()
