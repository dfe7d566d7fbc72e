//! The trace that a record belongs to already, by its header `traceparent` (W3C Trace Context, level 1).
//!
//! Debezium's `ActivateTracingSpan` takes a context out of a column, `tracingspancontext` by default, and
//! writes the header `traceparent` for it, as Kafka clients and Connect with OpenTelemetry's agent do.

use opentelemetry::trace::{SpanId, TraceId};

use crate::record::Header;

const NAME: &str = "traceparent";

/// The span that a record was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    /// Whether whoever wrote the record records the trace.
    pub(super) is_sampled: bool,
}

impl Parent {
    /// That of a record with these headers, if they name one. Of several the last one counts: whoever
    /// passes a record on adds theirs behind.
    pub(super) fn of(headers: &[Header]) -> Option<Self> {
        let header = headers.iter().rev().find(|header| &*header.name == NAME)?;
        Self::read(std::str::from_utf8(header.value.as_deref()?).ok()?)
    }

    /// Reads `00-<32 hexadecimal digits>-<16>-<2>`, which JSON's converter of headers puts in quotes.
    /// Later versions may have more behind it.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let quoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let mut parts = quoted.unwrap_or(text).split('-');
        let version = hex(parts.next()?, 2)?;
        let trace = TraceId::from(hex(parts.next()?, 32)?);
        let span = SpanId::from(u64::try_from(hex(parts.next()?, 16)?).ok()?);
        let flags = hex(parts.next()?, 2)?;
        let is_of_version = match version {
            0xff => false,
            0 => parts.next().is_none(),
            _ => true,
        };
        let is_valid = is_of_version && trace != TraceId::INVALID && span != SpanId::INVALID;
        is_valid.then_some(Self {
            trace,
            span,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// A number of so many lower-case hexadecimal digits.
fn hex(digits: &str, length: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let is_right = digits.len() == length && digits.bytes().all(is_hex);
    is_right.then(|| u128::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn header(name: &str, value: &str) -> Header {
        Header {
            name: name.into(),
            value: Some(value.as_bytes().into()),
        }
    }

    #[test]
    fn a_traceparent_names_trace_span_and_whether_it_is_recorded() {
        let parent = Parent::of(&[header("a", "b"), header(NAME, TEXT)]).unwrap();
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.span.to_string(), "00f067aa0ba902b7");
        assert!(parent.is_sampled);
        let quoted = format!("\"{TEXT}\"");
        assert_eq!(Parent::of(&[header(NAME, &quoted)]), Some(parent));
        let dropped = TEXT.replace("-01", "-00");
        assert!(!Parent::read(&dropped).unwrap().is_sampled);
    }

    #[test]
    fn the_last_of_several_counts() {
        let later = TEXT.replace("00f067aa0ba902b7", "00f067aa0ba902b8");
        let parent = Parent::of(&[header(NAME, TEXT), header(NAME, &later)]).unwrap();
        assert_eq!(parent.span.to_string(), "00f067aa0ba902b8");
    }

    #[test]
    fn a_later_version_may_say_more_and_what_is_no_traceparent_is_none() {
        assert!(Parent::read(&format!("{}-more", TEXT.replacen("00", "01", 1))).is_some());
        for wrong in [
            "",
            "00",
            &format!("{TEXT}-more"),
            &TEXT.replacen("00", "ff", 1),
            &TEXT.to_uppercase(),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::read(wrong), None, "{wrong}");
        }
    }
}
