//! Measurements: make bench-NAME prints a table and writes out/bench/NAME.json.
