"""The command `zoo` from a checkout: `python cli.py list`."""

from zoo.cli.main import main

if __name__ == "__main__":
    main()
