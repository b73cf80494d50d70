//! Answers that the proxy gives itself: a status and one sentence.

use std::fmt::Write as _;

/// An answer of our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'w> {
    pub(crate) status: u16,
    pub(crate) words: &'w str,
    pub(crate) keep_alive: bool,
    /// Seconds.
    pub(crate) retry_after: Option<u16>,
}

impl Own<'_> {
    /// The whole message; without its body for a HEAD.
    pub(crate) fn bytes(self, date: &str, to_head: bool) -> Vec<u8> {
        let reason = reason(self.status);
        let body = format!("{} {reason}\n{}\n", self.status, self.words);
        let mut text = format!(
            "HTTP/1.1 {} {reason}\r\nDate: {date}\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\
             Content-Length: {}\r\n",
            self.status,
            body.len()
        );
        if let Some(seconds) = self.retry_after {
            // Writing to memory cannot fail.
            let _ = write!(text, "Retry-After: {seconds}\r\n");
        }
        if !self.keep_alive {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        if !to_head {
            text.push_str(&body);
        }
        text.into_bytes()
    }
}

/// RFC 9110 §15, those that we give.
const fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        408 => "Request Timeout",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
