"""Which devices cost the accuracy over chips, and where area pays."""
