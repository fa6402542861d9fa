"""Who uses the hub, kept honestly and cheaply.

The way of the data: the Hub's answers -> ``sampler`` (what changed since the last poll)
-> ``store`` (one transaction a poll) -> ``rollup`` (a closed day becomes one row per
active user and per group) -> ``summary`` (the answers) -> ``reports`` and the pages.

What counts as activity
-----------------------
The Hub keeps two kinds of ``last_activity``. That of a *server* moves when its user works:
it is reported by the server and by the proxy every 5 minutes, so 5 minutes is the accuracy
of everything here. That of a *user* also moves when a page of the Hub is opened, and when a
server of theirs is stopped, by anyone. So:

- While a server runs, only the server's own ``last_activity`` makes activity. Marks at most
  two polls apart (three, if one failed) are one stretch of work; a lone mark counts for the
  5 minutes before it. Across a longer gap nothing is put together.
- A server that runs without a new mark makes none. The time written by a stop makes none.
- A user without any server at this poll and the last, whose ``last_activity`` is new, has
  opened a page of the Hub, or started and stopped a server between two polls. Either is the
  user's own doing: they count as active that day, with no time.
"""
