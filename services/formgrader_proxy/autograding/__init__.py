"""Autograding in a sandbox: limits, files that are refused, and explanations.

Runs inside the formgrader's process, and in ``nbgrader`` commands whose configuration calls
:func:`.guards.protect`.
"""
