"""Where a ladder can rest, by four independent routes."""
