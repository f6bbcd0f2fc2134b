"""Programs that tests start as processes of their own; pytest imports none of them by itself."""

collect_ignore_glob = ["*.py"]
