"""Usage statistics of a JupyterHub.

How data flows: the Hub's responses -> ``record.sampler`` (what changed since the last poll) ->
``store`` (one transaction per poll; a finished day becomes one row per active user and one per
group) -> ``query`` (the figures) -> ``web`` and ``commands.report``.

What counts as activity
-----------------------
The Hub has two kinds of ``last_activity``. That of a *server* moves when its user works: the
server and the proxy report it every 5 minutes, so all times here are accurate to 5 minutes.
That of a *user* also moves when they open a page of the Hub, and whenever one of their servers
is stopped, by anyone. Therefore:

- While a server runs, only the server's own ``last_activity`` counts. Activity times at most two
  polls apart (three, if one poll failed) are one stretch of work; an isolated one counts for the
  5 minutes before it. Longer pauses are never bridged.
- A server that runs without new activity adds none. Neither does the time that a stop writes:
  see ``record.culls``.
- A user without a server at this poll and the last, whose ``last_activity`` is new, opened a page
  of the Hub, or started and stopped a server in between. Either is the user's own doing, so
  they count as active on that day, with no active time.
"""
