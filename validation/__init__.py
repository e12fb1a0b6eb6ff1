"""Every published claim, measured again: `./run validate [topic] [--quick]`."""
