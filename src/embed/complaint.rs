//! What a provider says when it answers with no vectors.

use reqwest::StatusCode;
use serde_json::Value;

/// What an error body says, in whichever of the usual shapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    message: String,
    code: String,
    kind: String,
    param: String,
}

impl Complaint {
    /// The longest message that is passed on, in characters.
    const LONGEST: usize = 400;

    /// Reads an error body. Only fields meant to explain are looked at: some servers repeat the
    /// whole input, and a product's description may say anything.
    #[cfg(test)]
    pub(super) fn read(body: &[u8]) -> Self {
        Self::read_hiding(body, str::to_owned)
    }

    /// The same, with what `hide` does to the message before it is shortened, which could leave a part
    /// of a secret that nobody knows again: some gateways repeat the key they refuse.
    pub(super) fn read_hiding(body: &[u8], hide: impl Fn(&str) -> String) -> Self {
        let shorten = |text: &str| shorten(&hide(text));
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return Self {
                message: shorten(&String::from_utf8_lossy(body)),
                ..Self::default()
            };
        };
        // OpenAI nests it; TEI says {"error": "…", "error_type": "…"}; FastAPI {"detail": …}.
        let error = match json.get("error") {
            Some(error @ Value::Object(_)) => error,
            _ => &json,
        };
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = ["message", "error", "detail"]
            .into_iter()
            .map(text)
            .find(|text| !text.is_empty())
            .unwrap_or_else(|| validation_errors(error.get("detail")));
        Self {
            message: shorten(&message),
            code: text("code"),
            kind: text("type"),
            param: text("param"),
        }
    }

    /// The message, if there is one.
    pub(super) fn message(&self) -> Option<&str> {
        (!self.message.is_empty()).then_some(&self.message)
    }

    pub(super) fn message_or(&self, status: StatusCode) -> &str {
        self.message()
            .or(status.canonical_reason())
            .unwrap_or("no explanation")
    }

    pub(super) fn is_about_quota(&self) -> bool {
        ["insufficient_quota", "billing_hard_limit_reached"]
            .iter()
            .any(|code| self.code == *code || self.kind == *code)
    }

    pub(super) fn is_about_model(&self) -> bool {
        self.code == "model_not_found"
            || self.code == "DeploymentNotFound"
            || self.param == "model"
            || (self.says("model") && (self.says("not found") || self.says("does not exist")))
    }

    pub(super) fn is_about_dimensions(&self) -> bool {
        self.param == "dimensions" || self.says("dimensions") || self.says("matryoshka")
    }

    fn says(&self, word: &str) -> bool {
        self.message.to_ascii_lowercase().contains(word)
    }
}

/// FastAPI's `[{"loc": ["body", "dimensions"], "msg": "…"}]` as `body.dimensions: …`.
fn validation_errors(detail: Option<&Value>) -> String {
    let Some(Value::Array(errors)) = detail else {
        return String::new();
    };
    let one = |error: &Value| {
        let loc = error.get("loc")?.as_array()?;
        let loc: Vec<&str> = loc.iter().filter_map(Value::as_str).collect();
        Some(format!(
            "{}: {}",
            loc.join("."),
            error.get("msg")?.as_str()?
        ))
    };
    let errors: Vec<String> = errors.iter().filter_map(one).collect();
    errors.join("; ")
}

/// One line, not too long: proxies answer with whole pages.
fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(Complaint::LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_shape_of_complaint_is_understood() {
        for body in [
            r#"{"error":{"message":"too long"}}"#,
            r#"{"error":"too long","error_type":"Validation"}"#,
            r#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#,
            r#"{"detail":"too long"}"#,
            "  too\n long ",
        ] {
            assert_eq!(
                Complaint::read(body.as_bytes()).message,
                "too long",
                "{body}"
            );
        }
    }

    #[test]
    fn a_key_that_is_repeated_to_us_goes_no_further() {
        let hide = |said: &str| said.replace("sk-1234", "***");
        let complaint = Complaint::read_hiding(b"no such key: sk-1234", hide);
        assert_eq!(complaint.message, "no such key: ***");
        // Nor does a part of it, where a long message is cut.
        let long = format!("{}sk-1234 is no key", "x".repeat(Complaint::LONGEST - 4));
        let complaint = Complaint::read_hiding(long.as_bytes(), hide);
        assert!(
            complaint.message.ends_with("xx*** …"),
            "{}",
            complaint.message
        );
    }

    proptest! {
        #[test]
        fn no_complaint_panics_or_is_long(body: Vec<u8>) {
            prop_assert!(Complaint::read(&body).message.chars().count() <= Complaint::LONGEST + 1);
        }
    }
}
