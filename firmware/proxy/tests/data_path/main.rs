//! The proxy from outside: real sockets on both sides, stand-ins for the rest of the unit.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test crate")]

mod balancing;
mod bodies;
mod changes;
mod framing;
mod limits;
mod retries;
mod support;
mod tunnels;

/// `docs/data-path.md` promises that the five steps stand in `serve.rs`, in this order.
#[test]
fn the_five_steps_are_the_functions_of_one_file() {
    let (document, source) =
        (include_str!("../../../../docs/data-path.md"), include_str!("../../src/serve.rs"));
    let mut before = 0;
    for step in ["accept", "route", "pick", "connect", "forward"] {
        assert!(document.contains(&format!("**{step}**")), "{step} is not described");
        let at = ["(", "<"].iter().find_map(|after| source.find(&format!("fn {step}{after}")));
        let at = at.unwrap_or_else(|| panic!("{step} is gone"));
        assert!(at > before, "{step} is out of order");
        before = at;
    }
    assert!(source.lines().count() <= 250, "serve.rs is no longer read at one sitting");
}
