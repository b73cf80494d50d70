//! Why a request is not served.

/// A request that is refused, by the rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an HTTP/1 request line and fields (RFC 9112 §2.1).
    #[error("this is not an HTTP/1 request")]
    Syntax,
    /// A line that ends in LF without CR (RFC 9112 §2.2).
    #[error("a line does not end in CR LF")]
    BareLineFeed,
    /// A target that is none of the forms of RFC 9112 §3.2, or has a fragment or a byte outside ASCII.
    #[error("the request target is not valid")]
    Target,
    /// No `Host`, several, or one that is not a host (RFC 9112 §3.2).
    #[error("exactly one valid Host is needed")]
    Host,
    /// `Host` and the absolute target name different servers.
    #[error("Host and request target name different hosts")]
    HostMismatch,
    /// A `Content-Length` that is not one number, or is there twice (RFC 9112 §6.3).
    #[error("Content-Length must be one number")]
    ContentLength,
    /// `Content-Length` beside `Transfer-Encoding` (RFC 9112 §6.1).
    #[error("Content-Length and Transfer-Encoding exclude each other")]
    TwoLengths,
    /// A `Transfer-Encoding` that does not end in `chunked` exactly once, or in HTTP/1.0 (RFC 9112 §6.1).
    #[error("Transfer-Encoding must be chunked")]
    TransferEncoding,
    /// A transfer coding besides `chunked`.
    #[error("only the transfer coding chunked is spoken here")]
    UnknownCoding,
    /// An `Expect` other than `100-continue` (RFC 9110 §10.1.1).
    #[error("only Expect: 100-continue can be met")]
    Expectation,
    /// `CONNECT`: this is no forward proxy.
    #[error("CONNECT is not served here")]
    Connect,
    /// More bytes than the service's limit.
    #[error("the request head is too long")]
    TooLong,
    /// The request line alone fills the limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// More fields than the service's limit.
    #[error("too many header fields")]
    TooManyFields,
    /// `Connection` names more than 64 fields.
    #[error("Connection names too many fields")]
    TooManyNamed,
    /// A major version other than 1.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
}

impl Refusal {
    /// Status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Syntax
            | Self::BareLineFeed
            | Self::Target
            | Self::Host
            | Self::HostMismatch
            | Self::ContentLength
            | Self::TwoLengths
            | Self::TransferEncoding => 400,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::TooLong | Self::TooManyFields | Self::TooManyNamed => 431,
            Self::UnknownCoding | Self::Connect => 501,
            Self::Version => 505,
        }
    }
}
