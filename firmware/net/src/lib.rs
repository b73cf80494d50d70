//! Interfaces, addresses, routes, DHCP.
