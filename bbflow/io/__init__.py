"""Files: YAML with line numbers, checksums, atomic writes, progress of long jobs."""
