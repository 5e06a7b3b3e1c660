"""One module per subcommand: it parses, calls the core and prints. No logic here."""
