"""What is read from a user and a server of one poll."""

from services.stats.record.observed import ServerSeen, UserSeen, storable
from services.stats.records import Person
from tests.stats.record.scenarios.polled_hub import CREATED, at, server


def test_nul_is_replaced() -> None:
    """PostgreSQL does not accept NUL in text, so it is replaced; other text is untouched."""
    assert storable("a\0b") == "a\N{REPLACEMENT CHARACTER}b"
    assert storable("q?x=1 名前") == "q?x=1 名前"


def test_names_of_servers_and_profiles_are_storable_and_shared() -> None:
    """Equal names of many servers are one object in memory, and can be stored."""
    one, two = (
        ServerSeen.of(server(4, name="\0x", user_options={"profile": "g" + "pu\0"}))
        for _ in range(2)
    )
    assert (one.name, one.profile) == (
        "\N{REPLACEMENT CHARACTER}x",
        "gpu\N{REPLACEMENT CHARACTER}",
    )
    assert one.name is two.name
    assert one.profile is two.profile


def test_profiles_and_images_are_short() -> None:
    """A user can send any text as a profile or image. An empty one is no choice."""
    long = ServerSeen.of(server(4, user_options={"profile": "x" * 1000, "image": ""}))
    assert (long.profile, long.image) == ("x" * 255, None)


def test_creation_times_decide_who_it_may_be() -> None:
    """Only two different creation times show that it is another person."""
    ana = Person(1, "ana", CREATED, at(0))
    user = UserSeen(groups=None, created=CREATED, new_activity=None)
    assert user.may_be(ana)
    assert user.may_be(ana._replace(created=None))
    assert user._replace(created=None).may_be(ana)
    assert not user.may_be(ana._replace(created=at(0)))
