"""The values that the Hub's responses are decoded to."""

from typing import Any

import msgspec
import pytest

from common.hub.models import Server, User


@pytest.mark.parametrize(
    ("options", "profile"),
    [
        (None, None),
        ({}, None),
        ({"profile": "gpu"}, "gpu"),
        ({"profile": ["gpu"]}, "gpu"),
        ({"profile": ["gpu", "cpu"]}, None),
        ({"profile": [7]}, None),
        ({"profile": None}, None),
        ({"profile": "名前"}, "名前"),
        ({"profile": "a\ud800"}, "a?"),
    ],
)
def test_a_profile_is_text_or_nothing(options: dict[str, Any] | None, profile: str | None) -> None:
    """Users can set any value; the profile can always be compared and logged."""
    assert Server(name="", user_options=options).profile == profile


@pytest.mark.parametrize(
    ("options", "image"),
    [
        (None, None),
        ({"profile": "gpu"}, None),
        ({"image": "quay.io/jupyter/base:1"}, "quay.io/jupyter/base:1"),
        ({"image": ["quay.io/jupyter/base:1"]}, "quay.io/jupyter/base:1"),
        ({"image": "listed", "image--unlisted-choice": "mine:2"}, "mine:2"),
        ({"image": "listed", "image--unlisted-choice": ""}, "listed"),
        ({"image": {"name": "x"}}, None),
        ({"image": "a\ud800"}, "a?"),
    ],
)
def test_an_image_is_what_the_user_chose(options: dict[str, Any] | None, image: str | None) -> None:
    """As DockerSpawner, KubeSpawner and a form that nobody converted have it."""
    assert Server(name="", user_options=options).image == image


def test_values_do_not_change() -> None:
    """Models are shared between pages, passes and requests, so they are immutable."""
    with pytest.raises(AttributeError):
        User(name="ana").admin = True  # type: ignore[misc]  # that is what is tested


def test_values_compare_by_what_they_hold() -> None:
    """A server that has not changed since the last read is equal."""
    assert Server(name="gpu", ready=True) == Server(name="gpu", ready=True)
    assert msgspec.structs.replace(Server(name="gpu"), ready=True) != Server(name="gpu")
