//! HTTPS on 8443: the pages an operator sees, and /api/v1.
