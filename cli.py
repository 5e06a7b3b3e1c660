"""The command `zoo` from a checkout: `python cli.py list`."""

from zoo.cli.main import app

if __name__ == "__main__":
    app(prog_name="zoo")
