"""Pure core: values in, values out; no disk, no clock, no terminal."""
