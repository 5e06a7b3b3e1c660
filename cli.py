"""The command `zoo` from a checkout: `python cli.py list`."""

from zoo.main import app

if __name__ == "__main__":
    app(prog_name="zoo")
