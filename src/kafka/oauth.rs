//! Access tokens for OAUTHBEARER: read from where the configuration says, each time librdkafka
//! wants a fresh one, which is before the one at hand expires.
//!
//! librdkafka hands the client's `sasl.oauthbearer.config` to the callback, so the reference to the
//! token travels in there, and every client of the cluster can refresh it without further state.

use std::{error::Error, path::PathBuf};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rdkafka::{ClientConfig, client::OAuthToken};
use serde::Deserialize;

use crate::config::SecretRef;

const ENV: &str = "env=";
const FILE: &str = "file=";

/// The token can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// There is no reference to one.
    #[error("kafka.security.oauthbearer_token is not set")]
    NoReference,
    /// It is no JWT.
    #[error("the token of kafka.security.oauthbearer_token is no JWT with an `exp`")]
    NotAJwt,
}

/// The part of a token's claims (RFC 7519, section 4.1) that a Kafka client needs.
#[derive(Deserialize)]
struct Claims {
    /// When it expires, in seconds since 1970; a fraction is allowed.
    exp: f64,
    /// Whom it is about.
    #[serde(default)]
    sub: String,
}

/// Whether a client that is made of this logs in by a token.
pub(crate) fn is_used(config: &ClientConfig) -> bool {
    let names = ["sasl.mechanism", "sasl.mechanisms"];
    let mut mechanisms = names.into_iter().filter_map(|name| config.get(name));
    mechanisms.any(|mechanism| mechanism.eq_ignore_ascii_case("OAUTHBEARER"))
}

/// What to set as `sasl.oauthbearer.config`.
pub(crate) fn reference(token: &SecretRef) -> String {
    match token {
        SecretRef::Env(name) => format!("{ENV}{name}"),
        SecretRef::File(path) => format!("{FILE}{}", path.display()),
    }
}

/// The answer to `ClientContext::generate_oauth_token`: reads the token anew.
pub(crate) fn token(reference: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
    let reference = reference.ok_or(TokenError::NoReference)?;
    let secret = if let Some(name) = reference.strip_prefix(ENV) {
        SecretRef::Env(name.to_owned())
    } else if let Some(path) = reference.strip_prefix(FILE) {
        SecretRef::File(PathBuf::from(path))
    } else {
        return Err(TokenError::NoReference.into());
    };
    let token = secret.resolve()?;
    Ok(parse(token.expose())?)
}

fn parse(token: &str) -> Result<OAuthToken, TokenError> {
    let claims = token.split('.').nth(1).ok_or(TokenError::NotAJwt)?;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(claims)
        .map_err(|_| TokenError::NotAJwt)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::NotAJwt)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, far in the future"
    )]
    let lifetime_ms = (claims.exp * 1_000.0) as i64;
    Ok(OAuthToken {
        token: token.to_owned(),
        principal_name: claims.sub,
        lifetime_ms,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_is_read_anew_each_time_with_its_own_expiry() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let secret = reference(&SecretRef::File(file.path().to_owned()));
        for exp in [1_700_000_000_i64, 1_700_003_600] {
            file.as_file().set_len(0).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let written = jwt(&format!(r#"{{"sub":"vectide","exp":{exp}}}"#));
            writeln!(file, "{written}").unwrap();
            let token = token(Some(&secret)).unwrap();
            assert_eq!(token.token, written);
            assert_eq!(token.principal_name, "vectide");
            assert_eq!(token.lifetime_ms, exp * 1_000);
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        for text in ["opaque-secret", &jwt("{}"), &jwt("no json"), "a.%.c"] {
            let Err(error) = parse(text) else {
                panic!("{text} passes for a token")
            };
            assert!(!error.to_string().contains(text));
        }
        assert!(token(None).is_err());
        assert!(token(Some("file=/nonexistent/token")).is_err());
    }
}
