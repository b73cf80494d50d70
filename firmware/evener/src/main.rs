//! The one binary of the appliance; what it does is in the library beside it.

use std::process::ExitCode;

/// The allocator that all figures of the data path are measured with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    evener::main(evener::serve)
}
