//! The folder of one test run, and where the fetched servers are.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::process::Program;

/// Runs a scenario in a workspace of its own; the workspace goes when it succeeds, and its logs stay when it fails.
pub(crate) fn in_workspace(scenario: impl FnOnce(&Workspace) -> Result<()>) -> Result<()> {
    in_workspace_with(&["postgres", "kafka"], scenario)
}

/// The same with these servers only: `postgres`, `kafka`.
pub(crate) fn in_workspace_with(
    servers: &[&str],
    scenario: impl FnOnce(&Workspace) -> Result<()>,
) -> Result<()> {
    let workspace = Workspace::create(servers)?;
    scenario(&workspace)?;
    workspace.remove();
    Ok(())
}

/// A temporary folder, removed on success; on failure its logs are kept, and their place is printed.
pub(crate) struct Workspace {
    folder: TempDir,
    succeeded: bool,
    servers: HashMap<String, String>,
}

impl Workspace {
    /// Makes the folder and sees that the servers are installed.
    fn create(servers: &[&str]) -> Result<Self> {
        let mut script = vec![concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/scripts/fetch-stack.sh"
        )];
        script.extend(servers);
        let places = if servers.is_empty() {
            String::new()
        } else {
            Program::new("fetch-stack.sh", &script).run()?
        };
        let servers = places
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, place)| (name.to_owned(), place.to_owned()))
            .collect();

        let mut folder = tempfile::Builder::new()
            .prefix("vectide-stack-")
            .tempdir()?;
        // PostgreSQL runs as its own user when the test is root's, and must pass through here.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        folder.disable_cleanup(true);
        fs::create_dir(folder.path().join("logs"))?;
        Ok(Self {
            folder,
            succeeded: false,
            servers,
        })
    }

    /// Where a fetched server is: `postgres` (its programs' folder), `java` (the executable), `jars` (a folder).
    pub(crate) fn server(&self, name: &str) -> Result<&str> {
        self.servers
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("fetch-stack.sh does not say where {name} is"))
    }

    /// A path below the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where each program's log is.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// Writes a file below the folder and returns its path as text, for a command line.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<String> {
        let path = self.path(name);
        fs::write(&path, content)?;
        text(&path)
    }

    /// Removes everything: the scenario has succeeded.
    fn remove(mut self) {
        self.succeeded = true;
        self.folder.disable_cleanup(false);
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !self.succeeded {
            println!("failed; the logs are in {}", self.logs().display());
        }
    }
}

/// A path as a command line and a configuration file take it.
pub(crate) fn text(path: &Path) -> Result<String> {
    Ok(path
        .to_str()
        .context("the temporary folder's path is not UTF-8")?
        .to_owned())
}
