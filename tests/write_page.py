"""Writes docs/coverage.md."""

from parity.page import PAGE, page

PAGE.write_text(page(), "utf-8")
