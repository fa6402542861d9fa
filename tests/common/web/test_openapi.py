"""What the descriptions of the services' APIs have in common."""

from common.web.openapi import ERROR, document


def test_a_description_tells_the_ways_to_sign_in() -> None:
    made = document(
        "cull", {"title": "t", "version": "1"}, "/services/cull/", {}, {"schemas": {"Error": ERROR}}
    )
    assert made["servers"] == [{"url": "/services/cull"}]
    schemes = made["components"]["securitySchemes"]
    assert schemes["cookie"]["name"] == "service-cull"
    assert {name for way in made["security"] for name in way} == set(schemes)
    assert set(ERROR["required"]) <= set(ERROR["properties"])
    assert made["components"]["schemas"] == {"Error": ERROR}
