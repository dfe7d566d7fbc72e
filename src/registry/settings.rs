//! What the registry stage needs to know.

use std::{fs, path::PathBuf, time::Duration};

use super::{RegistryError, UNKNOWN_FOR};
use crate::config::{RegistryConfig, Secret, SecretRef};

/// How to reach a schema registry, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The base URLs, `http` or `https`, in the order in which they are asked; none where there is
    /// no registry.
    pub urls: Vec<String>,
    /// User name and password for HTTP's basic authentication.
    pub login: Option<(String, Secret)>,
    /// The authorities that may sign the registry's certificate, in PEM; `None` for the system's.
    pub authorities: Option<Vec<u8>>,
    /// How long a request may take in all.
    pub timeout: Duration,
    /// The first wait before a schema is asked for again; it doubles from there.
    pub retry_initial: Duration,
    /// The longest wait before a schema is asked for again.
    pub retry_max: Duration,
    /// How long an id that the registry does not know is not asked for again.
    pub unknown_for: Duration,
}

impl Settings {
    /// What `config` asks for. Reads files, with blocking I/O.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let password = config.password.as_ref().map(SecretRef::resolve);
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| RegistryError::Authorities {
                path: path.clone(),
                source,
            })
        };
        Ok(Self {
            urls: config.urls.clone(),
            login: config.username.clone().zip(password.transpose()?),
            authorities: config.ca_file.as_ref().map(read).transpose()?,
            timeout: config.timeout,
            retry_initial: config.retry_initial,
            retry_max: config.retry_max,
            unknown_for: UNKNOWN_FOR,
        })
    }
}
