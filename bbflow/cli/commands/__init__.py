"""One file per command group; each function is a command, its signature and docstring the command's help."""
