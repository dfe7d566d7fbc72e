//! Secrets by reference: the configuration says where one is, never what it is.

use std::{fmt, fs, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};

/// What stands in a secret's place.
const HIDDEN: &str = "***";

/// Where a secret is found: `{ env = "NAME" }` or `{ file = "/path" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("format" = "secret-reference"))]
pub enum SecretRef {
    /// The name of an environment variable.
    Env(String),
    /// A file that holds nothing but the secret; line ends after it are dropped.
    File(PathBuf),
}

/// A secret's text. It has no `Display`, and its `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A reference that leads to no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment has no such variable.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The variable is there and isn't text.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotText(String),
    /// The file can't be read, or isn't text.
    #[error("cannot read the file {path}")]
    File {
        /// The file that was named.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The variable or file exists and holds nothing.
    #[error("{0} is empty")]
    Empty(String),
}

impl SecretRef {
    /// Reads the secret. A file is read with blocking I/O: call this at start, not on a task.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        let (text, origin) = match self {
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|error| match error {
                    std::env::VarError::NotPresent => SecretError::Unset(name.clone()),
                    std::env::VarError::NotUnicode(_) => SecretError::NotText(name.clone()),
                })?;
                (text, format!("the environment variable {name}"))
            }
            Self::File(path) => {
                let mut text = fs::read_to_string(path).map_err(|source| SecretError::File {
                    path: path.clone(),
                    source,
                })?;
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
                (text, format!("the file {}", path.display()))
            }
        };
        if text.is_empty() {
            return Err(SecretError::Empty(origin));
        }
        Ok(Secret(text))
    }
}

impl Secret {
    /// A secret that the program itself made, such as the key of a stand-in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What somebody else wrote, without this secret, as it is and as it goes into a header of basic
    /// authentication for `user`: some servers repeat what they refuse.
    pub fn hide_in(&self, user: Option<&str>, text: &str) -> String {
        let hidden = text.replace(&self.0, HIDDEN);
        match user {
            Some(user) => {
                let login = STANDARD.encode(format!("{user}:{}", self.0));
                hidden.replace(&login, HIDDEN)
            }
            None => hidden,
        }
    }

    /// The text itself. Hand it to the client that needs it, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RefVisitor;

        /// Says what is wrong without repeating it: it may be the secret itself.
        const HOW: &str = "a secret is given by reference, { env = \"NAME\" } or { file = \"/path\" }, never as text";

        /// Likewise.
        const NAME: &str = "env takes the name of an environment variable, letters, digits and _, and not the secret itself";

        impl<'de> Visitor<'de> for RefVisitor {
            type Value = SecretRef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ env = \"NAME\" } or { file = \"/path\" }")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
                Err(E::custom(HOW))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<SecretRef, E> {
                Err(E::custom(HOW))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretRef, A::Error> {
                let one = || A::Error::custom(HOW);
                let key: String = map.next_key()?.ok_or_else(one)?;
                let found = match key.as_str() {
                    "env" => {
                        let name: String = map.next_value()?;
                        if !is_variable_name(&name) {
                            return Err(A::Error::custom(NAME));
                        }
                        SecretRef::Env(name)
                    }
                    "file" => SecretRef::File(map.next_value()?),
                    _ => return Err(one()),
                };
                match map.next_key::<String>()? {
                    None => Ok(found),
                    Some(_) => Err(one()),
                }
            }
        }

        deserializer.deserialize_any(RefVisitor)
    }
}

/// As POSIX has it, and lower case besides.
fn is_variable_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_part) && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parse(value: &str) -> Result<SecretRef, String> {
        SecretRef::deserialize(toml::de::ValueDeserializer::parse(value).unwrap())
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_secret_written_into_the_file_is_refused_and_not_repeated() {
        let message = parse("\"sk-hunter2\"").unwrap_err();
        assert_eq!(
            message,
            "a secret is given by reference, { env = \"NAME\" } or { file = \"/path\" }, never as text"
        );
        assert!(parse("{ text = \"sk-hunter2\" }").is_err());
        assert!(parse("{ env = \"A\", file = \"/b\" }").is_err());
        assert!(parse("{}").is_err());
    }

    #[test]
    fn a_secret_in_the_place_of_a_variables_name_is_refused_and_not_repeated() {
        let message = parse("{ env = \"sk-hunter2\" }").unwrap_err();
        assert!(message.starts_with("env takes the name"), "{message}");
        assert!(!message.contains("hunter2"));
        assert!(parse("{ env = \"OPENAI_KEY_2\" }").is_ok());
    }

    #[test]
    fn a_file_loses_its_line_end_only() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b" pass word \r\n").unwrap();
        let secret = SecretRef::File(file.path().to_owned()).resolve().unwrap();
        assert_eq!(secret.expose(), " pass word ");
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn a_secret_that_somebody_repeats_is_hidden_plain_and_as_a_login() {
        let secret = Secret::new("hunter2");
        let said = "no hunter2, no Basic YW5uYTpodW50ZXIy";
        assert_eq!(secret.hide_in(Some("anna"), said), "no ***, no Basic ***");
        assert_eq!(secret.hide_in(None, "hunter"), "hunter");
    }

    #[test]
    fn an_absent_or_empty_secret_says_which() {
        let unset = SecretRef::Env("VECTIDE_TEST_SURELY_UNSET".into());
        assert_eq!(
            unset.resolve().unwrap_err().to_string(),
            "the environment variable VECTIDE_TEST_SURELY_UNSET is not set"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = SecretRef::File(file.path().to_owned());
        assert!(matches!(empty.resolve(), Err(SecretError::Empty(_))));
    }
}
