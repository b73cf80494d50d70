//! PID 1: mounts, supervises, keeps listening sockets, feeds the watchdog, stops in order.
