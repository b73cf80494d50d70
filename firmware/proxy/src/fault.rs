//! Everything that can go wrong with a request, and what follows from it. The only place where that is decided.

use evener_http1::{Refusal, ResponseFault};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request breaks a rule.
    Refused(Refusal),
    /// The request head did not come in time.
    HeadTimeout,
    /// The client went away, or ended in the middle of a message.
    ClientGone,
    /// The request body does not keep to its framing.
    BadBody,
    /// Nothing of the request body came for too long, or the server took none.
    BodyTimeout,
    /// No server is up.
    NoServer,
    /// No connection to the server.
    ConnectFailed,
    /// No connection to the server in time.
    ConnectTimeout,
    /// A kept connection was closed by the server before it answered.
    Stale,
    /// A new connection was closed by the server before it answered.
    NoAnswer,
    /// No answer in time.
    AnswerTimeout,
    /// What came is not an answer.
    BadAnswer(ResponseFault),
    /// The server switches to a protocol that nobody asked for, or never comes to its answer.
    Unexpected,
    /// The answer ended or broke in its middle.
    AnswerBroken,
    /// Nothing moved for too long in the middle of the answer.
    Stalled,
    /// This unit has no socket left.
    Exhausted,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
    Us,
}

/// Whether another server may be asked (RFC 9110 §9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    /// The server has seen nothing of the request.
    Always,
    /// The server may have seen the request, and has said nothing: only what may be repeated, while all of it is
    /// still here.
    IfRepeatable,
}

/// What the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nobody is there to be told, or the answer is under way already.
    Nothing,
    /// An answer of our own: status and a sentence for a person.
    Status(u16, &'static str),
    /// The same for a rule that was broken.
    Refusal(Refusal),
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) side: Side,
    pub(crate) retry: Retry,
    pub(crate) answer: Answer,
    /// Name in logs and counters.
    pub(crate) metric: &'static str,
}

/// Every name of a counter that [`Fault::verdict`] gives.
pub(crate) const METRICS: [&str; 15] = [
    "request_refused",
    "request_timeout",
    "client_gone",
    "body_broken",
    "body_timeout",
    "no_server",
    "connect_failed",
    "connect_timeout",
    "connection_stale",
    "no_answer",
    "answer_timeout",
    "answer_invalid",
    "answer_broken",
    "stalled",
    "exhausted",
];

impl Fault {
    /// What follows from it.
    pub(crate) const fn verdict(self) -> Verdict {
        use Answer::{Nothing, Refusal, Status};
        use Retry::{Always, IfRepeatable, Never};
        let (side, retry, answer, metric) = match self {
            Self::Refused(refusal) => (Side::Client, Never, Refusal(refusal), "request_refused"),
            Self::HeadTimeout => {
                (Side::Client, Never, Status(408, "The request did not arrive in time."), "request_timeout")
            }
            Self::ClientGone => (Side::Client, Never, Nothing, "client_gone"),
            Self::BadBody => (Side::Client, Never, Status(400, "The request body is broken."), "body_broken"),
            Self::BodyTimeout => {
                (Side::Client, Never, Status(408, "The request body did not arrive in time."), "body_timeout")
            }
            Self::NoServer => {
                (Side::Server, Never, Status(503, "No server is available for this service."), "no_server")
            }
            Self::ConnectFailed => {
                (Side::Server, Always, Status(502, "The server cannot be reached."), "connect_failed")
            }
            Self::ConnectTimeout => (
                Side::Server,
                Always,
                Status(504, "The server cannot be reached in time."),
                "connect_timeout",
            ),
            Self::Stale => (
                Side::Server,
                IfRepeatable,
                Status(502, "The server closed the connection."),
                "connection_stale",
            ),
            Self::NoAnswer => {
                (Side::Server, IfRepeatable, Status(502, "The server gave no answer."), "no_answer")
            }
            Self::AnswerTimeout => {
                (Side::Server, Never, Status(504, "The server did not answer in time."), "answer_timeout")
            }
            Self::BadAnswer(_) | Self::Unexpected => {
                (Side::Server, Never, Status(502, "The server's answer is not valid."), "answer_invalid")
            }
            Self::AnswerBroken => (Side::Server, Never, Nothing, "answer_broken"),
            Self::Stalled => (Side::Server, Never, Nothing, "stalled"),
            Self::Exhausted => {
                (Side::Us, Never, Status(503, "This load balancer has no connection left."), "exhausted")
            }
        };
        Verdict { side, retry, answer, metric }
    }
}

/// What has become of a request so far, as far as sending it again goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The kernel has taken bytes of it for this server.
    pub(crate) any: bool,
    /// All that was sent is still here.
    pub(crate) all_here: bool,
    /// The method's effect is the same however often it arrives.
    pub(crate) idempotent: bool,
}

impl Retry {
    /// Whether the request may go to another server.
    pub(crate) const fn allows(self, sent: Sent) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::IfRepeatable => sent.all_here && (sent.idempotent || !sent.any),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_counter() {
        for fault in [
            Fault::Refused(Refusal::Syntax),
            Fault::HeadTimeout,
            Fault::ClientGone,
            Fault::BadBody,
            Fault::BodyTimeout,
            Fault::NoServer,
            Fault::ConnectFailed,
            Fault::ConnectTimeout,
            Fault::Stale,
            Fault::NoAnswer,
            Fault::AnswerTimeout,
            Fault::Unexpected,
            Fault::AnswerBroken,
            Fault::Stalled,
            Fault::Exhausted,
        ] {
            let metric = fault.verdict().metric;
            assert_eq!(METRICS.iter().filter(|name| **name == metric).count(), 1, "{fault:?}: {metric}");
        }
    }

    #[test]
    fn only_what_cannot_have_happened_twice_is_sent_twice() {
        let sent = |any, all_here, idempotent| Sent { any, all_here, idempotent };
        let cases = [
            (Fault::ConnectFailed, sent(false, true, false), true),
            (Fault::ConnectTimeout, sent(false, true, false), true),
            (Fault::Stale, sent(false, true, false), true),
            (Fault::Stale, sent(true, true, false), false),
            (Fault::Stale, sent(true, true, true), true),
            (Fault::NoAnswer, sent(true, true, true), true),
            (Fault::NoAnswer, sent(true, false, true), false),
            (Fault::NoAnswer, sent(true, true, false), false),
            (Fault::AnswerTimeout, sent(true, true, true), false),
            (Fault::AnswerBroken, sent(true, true, true), false),
            (Fault::Refused(Refusal::Syntax), sent(false, true, true), false),
        ];
        for (fault, sent, again) in cases {
            assert_eq!(fault.verdict().retry.allows(sent), again, "{fault:?} {sent:?}");
        }
    }
}
