# Every task is in tests/xtask; this file only gives them names that make knows.
# `make help` lists them.

TASKS := run test image unit appliance pictures fmt lint bench bench-boot bench-size bench-proxy prove setup clean

.DEFAULT_GOAL := help
.PHONY: help $(TASKS)

help $(TASKS):
	@cargo --version > /dev/null || { echo "evener: Rust is missing; install it from https://rustup.rs"; exit 1; }
	@echo "evener: building the task runner (the first time takes a minute)"
	@cargo build --quiet --package evener-xtask
	@exec cargo run --quiet --package evener-xtask -- $@ $(ARGS)
