"""Declare the services in ``jupyterhub_config.py``, with least-privilege roles.

After your own services and roles::

    from services.declare import declare

    declare(c, cull={"timeout": 3600, "policy": "/etc/jupyterhub/cull.toml"}, stats=True)

All options are described at :func:`declare`.
"""

from services.declare.declaration import LIST_SCOPES, declare

__all__ = ["LIST_SCOPES", "declare"]
