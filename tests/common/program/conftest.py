"""The services of the configuration's tests, run to their end."""

from tests.common.config.conftest import environment, logging_as_before, program

__all__ = ["environment", "logging_as_before", "program"]
