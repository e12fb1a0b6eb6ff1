"""Random input for every reader: damaged files and texts are refused by an error of ours, or mean what they say."""
