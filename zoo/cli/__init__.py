"""All that talks to a terminal: the command `zoo`, its subcommands, and what people see."""
