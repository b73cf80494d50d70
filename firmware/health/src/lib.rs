//! When a real server is up: results of single checks in, state out.
