# Every task is in tests/xtask; this file only gives them names that make knows.
# `make help` lists them. `make image BOARD=all` makes the images of every board, BOARD=a,b those of two.

TASKS := run test image unit appliance pictures fmt lint fuzz bench bench-boot bench-images bench-size bench-proxy bench-update prove reproduce setup clean

.DEFAULT_GOAL := help
.PHONY: help $(TASKS)

help $(TASKS):
	@command -v cc > /dev/null || $(MAKE) --no-print-directory linker
	@cargo --version > /dev/null || { echo "evener: Rust is missing; install it from https://rustup.rs"; exit 1; }
	@echo "evener: building the task runner (the first time takes a minute)"
	@cargo build --quiet --package evener-xtask
	@exec cargo run --quiet --package evener-xtask -- $@ $(ARGS) $(if $(BOARD),$(if $(filter image,$@),--board $(BOARD)))

# Rust links with the C compiler, and the task runner, which installs everything else, must be linked first.
.PHONY: linker
linker:
	@echo "evener: there is no C compiler; installing Debian's gcc and libc6-dev"
	@if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	$$sudo apt-get update -q && $$sudo apt-get install -y -q --no-install-recommends gcc libc6-dev
