//! JSON bodies, and exactly where one is wrong.

use super::problem::{self, Answer};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use evener_api::control::Violation;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A body that was sent as JSON; [`read`](Self::read) says what it means.
#[derive(Debug)]
pub(crate) struct JsonBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Answer;

    async fn from_request(request: Request, state: &S) -> Result<Self, Answer> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
            let detail = "Send the body with Content-Type: application/json.";
            return Err(problem::answer(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                detail,
            ));
        }
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("A body may have {} bytes.", crate::BODY_BYTES);
                Err(problem::answer(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", detail))
            }
            Err(_) => {
                let detail = "The body did not arrive as a whole.";
                Err(problem::answer(StatusCode::BAD_REQUEST, "malformed-json", detail))
            }
        }
    }
}

impl JsonBody {
    /// The value in it. `status`, which we add to what we give out, may come back with it and is ignored.
    ///
    /// # Errors
    /// 400 with line and column when it is not JSON, 422 with the field when it is not a `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        let mut json: Value = serde_json::from_slice(&self.0).map_err(|error| {
            let detail = format!("The body is not JSON: {error}.");
            problem::answer(StatusCode::BAD_REQUEST, "malformed-json", detail)
        })?;
        if json.as_object_mut().is_some_and(|object| object.remove("status").is_some()) {
            return serde_path_to_error::deserialize(json).map_err(|error| misfit(&error));
        }
        // From the text, so that the reason has its line and column; and duplicate fields are noticed.
        let mut text = serde_json::Deserializer::from_slice(&self.0);
        serde_path_to_error::deserialize(&mut text).map_err(|error| misfit(&error))
    }
}

fn misfit(error: &serde_path_to_error::Error<serde_json::Error>) -> Answer {
    let path = error.path().to_string();
    // The path to a field that is missing or unknown ends at the object that it is missing from or unknown to.
    let field = if path == "." { String::new() } else { path };
    let reason = evener_config::explain(&field, &error.inner().to_string());
    problem::invalid(vec![Violation { field, reason }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_config::{RealServer, VirtualService};

    fn refusal<T: DeserializeOwned>(text: &'static str) -> String {
        match JsonBody(Bytes::from_static(text.as_bytes())).read::<T>() {
            Ok(_) => String::from("accepted"),
            Err(answer) => format!("{answer:?}"),
        }
    }

    #[test]
    fn says_line_and_field_of_what_is_wrong() {
        let text = refusal::<VirtualService>("{\n \"port\": }");
        assert!(text.contains("malformed-json") && text.contains("line 2 column 10"), "{text}");
        let text = refusal::<VirtualService>(
            r#"{"address": {"literal": "10.0.0.1"}, "port": 80, "real_servers": [{"address": "x", "port": 1}]}"#,
        );
        assert!(text.contains("real_servers[0].address") && text.contains("line 1"), "{text}");
        let text = refusal::<RealServer>(r#"{"address": "10.0.0.1", "port": 80, "wieght": 5}"#);
        assert!(text.contains("unknown field `wieght`"), "{text}");
        let text = refusal::<RealServer>(r#"{"address": "10.0.0.1", "port": 70000}"#);
        assert!(text.contains(r#"field: "port""#), "{text}");
        assert!(text.contains("70000 is not a port: 1 to 65535"), "the words of validation: {text}");
        assert_eq!(refusal::<RealServer>(r#"{"address": "10.0.0.1", "port": 7, "status": {}}"#), "accepted");
    }
}
