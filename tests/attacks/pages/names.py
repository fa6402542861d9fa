"""Names that would become code on a careless page. Each sets ``window.hostile`` if it runs."""

RUN = "window.hostile=1"
#: By what they attack. None contains a slash, so that each can be the name of a directory.
NAMES = {
    "element": f"<img src=x onerror={RUN}>",
    "svg": f"<svg onload={RUN}>",
    "attribute": f'" autofocus onfocus={RUN} tabindex=1 x="',
    "single quotes": f"' autofocus onfocus={RUN} tabindex=1 x='",
    "string": f'";{RUN};"',
    "string in single quotes": f"';{RUN};'",
    "decoded twice": f"&lt;img src=x onerror={RUN}&gt;",
    "template": "{{ self }}${" + RUN + "}",
    "link": f"javascript:{RUN}",
    "line separator": f"\u2028{RUN}\u2029",
}
#: What an administrator or a grader may also type, where a slash is accepted.
WITH_SLASH = NAMES | {"end of script": f"</script><script>{RUN}</script>"}
