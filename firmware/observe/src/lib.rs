//! Logs of a service, one line an event.
