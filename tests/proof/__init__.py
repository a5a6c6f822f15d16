"""The tools that prove the promises; `python -m tests.proof --help` lists them, tests/README.md has results."""
