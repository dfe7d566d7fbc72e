//! What a registry's answers mean. Pure: status and body in, a schema or a [`Failure`] out.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::{
    error::{Disposition, Failure},
    record::SchemaLanguage,
};

/// What was asked, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The registry's URL, as it may be shown.
    pub(super) registry: &'a str,
    /// What for: `schema 7`.
    pub(super) what: &'a str,
}

/// One schema, its references not yet looked up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) language: SchemaLanguage,
    pub(super) text: Box<str>,
    pub(super) references: Vec<Reference>,
}

/// Another schema whose names a schema uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Reference {
    pub(super) subject: String,
    pub(super) version: i64,
}

/// The answer to `GET /schemas/ids/{id}` and its like.
pub(super) fn schema(asked: Asked<'_>, body: &[u8]) -> Result<Found, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        schema: Box<str>,
        #[serde(default, rename = "schemaType")]
        language: Option<Box<str>>,
        #[serde(default)]
        references: Option<Vec<Reference>>,
    }
    let answer: Answer = json(asked, body)?;
    Ok(Found {
        language: match answer.language.as_deref() {
            None | Some("AVRO") => SchemaLanguage::Avro,
            Some("JSON") => SchemaLanguage::JsonSchema,
            Some(other) => SchemaLanguage::Other(other.into()),
        },
        text: answer.schema,
        references: answer.references.unwrap_or_default(),
    })
}

/// The answer of Apicurio's own API: the schema itself, and nothing around it.
pub(super) fn bare_schema(asked: Asked<'_>, body: &[u8]) -> Result<Found, Failure> {
    let text: Box<serde_json::value::RawValue> = json(asked, body)?;
    Ok(Found {
        language: SchemaLanguage::Avro,
        text: text.get().into(),
        references: Vec::new(),
    })
}

/// The answer to `GET /schemas/types`, which only a registry gives.
pub(super) fn types(asked: Asked<'_>, body: &[u8]) -> Result<(), Failure> {
    json::<Vec<String>>(asked, body).map(|_| ())
}

fn json<'a, T: Deserialize<'a>>(asked: Asked<'_>, body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::transient(
            "malformed_answer",
            format!(
                "{} answers no schema registry's JSON when asked for {}: is registry.urls right? ({error})",
                asked.registry, asked.what
            ),
        )
    })
}

/// What an answer with another status than 200 comes to.
pub(super) fn refusal(
    asked: Asked<'_>,
    status: StatusCode,
    after: Option<Duration>,
    body: &[u8],
) -> Failure {
    #[derive(Deserialize)]
    struct Complaint {
        error_code: i64,
        #[serde(default)]
        message: String,
        /// Of Apicurio's own API: what went wrong, as its code calls it.
        #[serde(default)]
        name: String,
    }
    let complaint: Option<Complaint> = serde_json::from_slice(body).ok();
    let Asked { registry, what } = asked;
    let said = complaint
        .as_ref()
        .map(|complaint| complaint.message.as_str())
        .filter(|message| !message.is_empty())
        .map_or_else(String::new, |message| {
            let message: String = message.chars().take(300).collect();
            format!("; it says: {}", message.escape_debug())
        });
    let failing = || format!("the schema registry {registry} fails with status {status}{said}");
    match status.as_u16() {
        401 => Failure::blocked(
            "unauthorized",
            format!(
                "the schema registry {registry} does not accept the login: correct registry.username and registry.password (status 401{said})"
            ),
        ),
        403 => Failure::blocked(
            "forbidden",
            format!(
                "the schema registry {registry} does not let the login read {what}: grant it the right to read (status 403{said})"
            ),
        ),
        404 if complaint.is_some_and(|it| is_not_found(it.error_code, &it.name)) => {
            Failure::record(
                "unknown_schema",
                format!("the schema registry {registry} has no {what}{said}"),
            )
        }
        404 => Failure::blocked(
            "wrong_url",
            format!(
                "{registry} does not answer as a schema registry: correct registry.urls (status 404 for {what}{said})"
            ),
        ),
        429 => Failure::new(Disposition::Throttled { after }, "http_429", failing()),
        408 | 425 | 500.. => Failure::transient("http_error", failing()),
        300..=399 => Failure::blocked(
            "redirected",
            format!(
                "the schema registry {registry} is elsewhere: set registry.urls to where it redirects to (status {status})"
            ),
        ),
        _ => Failure::blocked(
            "refused",
            format!(
                "the schema registry {registry} refuses to answer for {what}: correct registry.urls (status {status}{said})"
            ),
        ),
    }
}

/// Whether the registry itself says that it has no such subject (40401), version (40402) or schema
/// (40403), as Confluent numbers it, or Apicurio names it; a wrong path is a plain 404.
fn is_not_found(error_code: i64, name: &str) -> bool {
    matches!(error_code, 40_401..=40_403)
        || matches!(
            name,
            "ArtifactNotFoundException" | "ContentNotFoundException"
        )
}

/// What each HTTP status comes to, and what a body may change about that.
#[cfg(test)]
pub(crate) fn dispositions() -> Vec<(String, Failure)> {
    let asked = Asked {
        registry: "https://registry.example.com",
        what: "schema 7",
    };
    let of = |status: u16, body: &[u8]| {
        let status = StatusCode::from_u16(status).expect("it is one");
        refusal(asked, status, None, body)
    };
    let mut all: Vec<_> = (300..600)
        .map(|status| (status.to_string(), of(status, b"")))
        .collect();
    let unknown = br#"{"error_code":40403,"message":"Schema not found"}"#;
    all.push((
        "404 with the registry's own code 40401 to 40403".to_owned(),
        of(404, unknown),
    ));
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        registry: "http://registry:8081",
        what: "schema 7",
    };

    fn refused(status: u16, body: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        refusal(ASKED, status, None, body.as_bytes())
    }

    #[test]
    fn a_schema_is_avro_unless_it_says_otherwise() {
        let read = |body: &str| schema(ASKED, body.as_bytes()).unwrap();
        let plain = read(r#"{"schema":"\"string\""}"#);
        assert_eq!(plain.language, SchemaLanguage::Avro);
        assert_eq!(&*plain.text, "\"string\"");
        let other = read(r#"{"schema":"x","schemaType":"PROTOBUF"}"#);
        assert_eq!(other.language, SchemaLanguage::Other("PROTOBUF".into()));
        let referring = read(
            r#"{"schema":"x","references":[{"name":"a.B","subject":"b-value","version":2}],"id":4}"#,
        );
        assert_eq!(
            referring.references,
            [Reference {
                subject: "b-value".into(),
                version: 2
            }]
        );
    }

    #[test]
    fn only_the_registry_itself_can_say_that_it_has_no_such_schema() {
        let unknown = refused(
            404,
            r#"{"error_code":40403,"message":"Schema 7 not found"}"#,
        );
        assert_eq!(
            (unknown.disposition, unknown.reason),
            (Disposition::Record, "unknown_schema")
        );
        let apicurio = r#"{"error_code":404,"message":"No","name":"ArtifactNotFoundException"}"#;
        assert_eq!(refused(404, apicurio).disposition, Disposition::Record);
        for body in [
            "<html>not found</html>",
            r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#,
            r#"{"error_code":0,"message":"Could not find resource for full path"}"#,
            r#"{"error_code":404,"message":"No","name":"NotFoundException"}"#,
            "{}",
            "",
        ] {
            let failure = refused(404, body);
            assert_eq!(failure.disposition, Disposition::Blocked, "{body}");
            assert!(failure.message.contains("registry.urls"));
        }
    }

    #[test]
    fn a_login_that_is_refused_blocks_and_an_outage_waits() {
        for (status, disposition) in [
            (401, Disposition::Blocked),
            (403, Disposition::Blocked),
            (302, Disposition::Blocked),
            (400, Disposition::Blocked),
            (408, Disposition::Transient),
            (429, Disposition::Throttled { after: None }),
            (500, Disposition::Transient),
            (503, Disposition::Transient),
        ] {
            assert_eq!(refused(status, "").disposition, disposition, "{status}");
        }
    }

    #[test]
    fn what_is_no_registrys_answer_is_never_the_records_fault() {
        for body in ["<html>sign in</html>", "", "[]", r#"{"schema":7}"#, "{}"] {
            let failure = schema(ASKED, body.as_bytes()).unwrap_err();
            assert_eq!(failure.disposition, Disposition::Transient, "{body}");
        }
    }
}
