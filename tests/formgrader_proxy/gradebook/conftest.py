"""Gradebooks need nbgrader."""

import pytest

pytest.importorskip("nbgrader")
