//! When a service is started, declared dead, restarted: events and time in, orders out.
