//! Which real server gets the next request.
