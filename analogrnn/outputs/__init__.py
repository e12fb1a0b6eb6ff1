"""Results on disk: labelled datasets as netCDF, and text and JSON files."""
