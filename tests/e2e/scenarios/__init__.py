"""The scenarios; each module has a list ALL."""
