"""`python -m zoo` is the command `zoo`."""

from zoo.cli.main import app

if __name__ == "__main__":
    app(prog_name="zoo")
