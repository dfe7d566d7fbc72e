//! Certificates for one test, made by the `openssl` command.

use std::fs;

use anyhow::Result;

use crate::process::Program;
use crate::workspace::{Workspace, text};

/// A certificate and its private key, as PEM files.
pub(crate) struct Certificate {
    /// The certificate's path.
    pub(crate) certificate: String,
    /// The key's path.
    pub(crate) key: String,
}

impl Certificate {
    /// An authority that answers for itself.
    pub(crate) fn authority(workspace: &Workspace, name: &str) -> Result<Self> {
        Self::make(workspace, name, &[])
    }

    /// A certificate of this name for the loopback address, signed by this authority.
    pub(crate) fn sign(&self, workspace: &Workspace, name: &str) -> Result<Self> {
        let signer = [
            "-CA",
            &self.certificate,
            "-CAkey",
            &self.key,
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        Self::make(workspace, name, &signer)
    }

    fn make(workspace: &Workspace, name: &str, further: &[&str]) -> Result<Self> {
        let made = Self {
            certificate: text(&workspace.path(&format!("{name}.pem")))?,
            key: text(&workspace.path(&format!("{name}.key")))?,
        };
        let subject = format!("/CN={name}");
        let mut command = vec![
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-keyout",
            &made.key,
            "-out",
            &made.certificate,
        ];
        command.extend(further);
        Program::new("openssl", &command).run()?;
        Ok(made)
    }

    /// Both in one file, as Kafka wants its own; returns the file's path.
    pub(crate) fn together(&self, workspace: &Workspace, file: &str) -> Result<String> {
        let key = fs::read_to_string(&self.key)?;
        let certificate = fs::read_to_string(&self.certificate)?;
        workspace.write(file, &(key + &certificate))
    }
}
