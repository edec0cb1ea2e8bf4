"""What kills, power cuts and damaged files do to runs, and to what is cached: `make torture`."""
