"""The Hub's own counters of spawns: read with each poll, and compared with the last reading."""
