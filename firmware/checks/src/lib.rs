//! The health checker: probes every real server and publishes what it found.
