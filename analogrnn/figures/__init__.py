"""All drawing: a file per subject. The only package that imports matplotlib."""
