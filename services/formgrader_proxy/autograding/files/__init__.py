"""The files of submissions: which are refused, and reading and copying them safely."""
