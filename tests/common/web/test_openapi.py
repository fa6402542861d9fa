"""The shared parts of the OpenAPI descriptions."""

from common.web.openapi import ERROR, document


def test_security_schemes() -> None:
    """A description defines every security scheme that it uses, and the body of errors."""
    made = document(
        "cull", {"title": "t", "version": "1"}, "/services/cull/", {}, {"schemas": {"Error": ERROR}}
    )
    assert made["servers"] == [{"url": "/services/cull"}]
    schemes = made["components"]["securitySchemes"]
    assert schemes["cookie"]["name"] == "service-cull"
    assert {name for way in made["security"] for name in way} == set(schemes)
    assert set(ERROR["required"]) <= set(ERROR["properties"])
    assert made["components"]["schemas"] == {"Error": ERROR}
