//! How the registry is told to behave, as JSON over HTTP and as Rust values.

use serde::{Deserialize, Serialize};

/// How the registry answers. The default is the ideal one: at once, and to anybody.
///
/// In JSON a key left out has its default, an unknown one is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Milliseconds by which every answer is late.
    pub latency_ms: u64,
    /// Hold every request until this is cleared.
    pub stall: bool,
    /// Answer every request with this status.
    pub fail: Option<u16>,
    /// Answer every request with status 200 and a page of HTML, as a proxy's sign-in form.
    pub sign_in_page: bool,
    /// The only password accepted, of whatever user. Unset, any is, and none.
    pub password: Option<String>,
}
