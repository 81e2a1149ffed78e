"""The edge to the disk: bytes, paths, locks, syncs; decoding is the core's."""
