//! From file, environment and command line to one [`Config`], or to every problem at once.

use std::{collections::BTreeSet, ffi::OsString, fs, io, path::PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{
    Config, environment, file,
    problem::{Place, Problem, Problems},
    setting::Found,
};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "vectide.toml";

/// Where the values of a configuration come from. What is further down wins.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: ConfigFile,
    /// The environment: names and values. Read are those that begin with
    /// [`PREFIX`](environment::PREFIX).
    pub environment: Vec<(OsString, OsString)>,
    /// Options of the command line.
    pub flags: Vec<Flag>,
}

/// Which file to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConfigFile {
    /// This one; that it is absent is a problem.
    Named(PathBuf),
    /// This one, if it is there.
    IfPresent(PathBuf),
    /// None.
    #[default]
    None,
}

/// An option of the command line that sets a key.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The option as it is written, such as `--log-level`.
    pub name: &'static str,
    /// The key it sets, such as `log.level`. A key whose value is text.
    pub key: &'static str,
    /// The value.
    pub value: String,
}

impl Sources {
    /// What this process was given: `file`, or [`DEFAULT_FILE`] if present, and its environment.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self {
            file: file.map_or_else(
                || ConfigFile::IfPresent(DEFAULT_FILE.into()),
                ConfigFile::Named,
            ),
            environment: std::env::vars_os().collect(),
            flags: Vec::new(),
        }
    }

    /// Reads, merges and validates. Secrets are not looked up: see
    /// [`Config::unresolved_secrets`].
    pub fn load(&self) -> Result<Config, Problems> {
        self.load_for(|_| true)
    }

    /// The same for a command that uses only some of it: rules of the keys that it does not `need`,
    /// such as that one must be set, are not held against the configuration. What can't be read
    /// at all is a problem anyway.
    pub fn load_for(&self, needs: impl Fn(&str) -> bool) -> Result<Config, Problems> {
        let (found, file) = self.read_file();
        let loaded = self.load_over(found, file.as_ref(), needs);
        match &self.file {
            ConfigFile::IfPresent(path) if file.is_none() => {
                loaded.map_err(|problems| problems.and_no_file(path))
            }
            _ => loaded,
        }
    }

    /// Lays environment and flags over what the file was found to hold.
    pub(super) fn load_over(
        &self,
        mut found: Found,
        file: Option<&PathBuf>,
        needs: impl Fn(&str) -> bool,
    ) -> Result<Config, Problems> {
        let environment = environment::read(&self.environment);
        found.settings.extend(environment.settings);
        found.problems.extend(environment.problems);
        for flag in &self.flags {
            let path: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
            let value = Value::String(flag.value.clone());
            found.push(&path, value, Place::Flag(flag.name));
        }
        merge(found, file, needs)
    }

    fn read_file(&self) -> (Found, Option<PathBuf>) {
        let (path, must_exist) = match &self.file {
            ConfigFile::Named(path) => (path, true),
            ConfigFile::IfPresent(path) => (path, false),
            ConfigFile::None => return (Found::default(), None),
        };
        let message = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => return (file::read(path, &text), Some(path.clone())),
            Ok(Err(_)) => "is not valid UTF-8".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !must_exist {
                    return (Found::default(), None);
                }
                "there is no such file".into()
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        let mut found = Found {
            is_partial: true,
            ..Found::default()
        };
        found.refuse(Place::file(path), &[], message);
        (found, Some(path.clone()))
    }
}

fn merge(
    found: Found,
    file: Option<&PathBuf>,
    needs: impl Fn(&str) -> bool,
) -> Result<Config, Problems> {
    let Found {
        settings,
        mut problems,
        is_partial,
    } = found;
    let mut table = Table::new();
    for setting in &settings {
        match setting.check() {
            Ok(()) => setting.insert_into(&mut table),
            Err(problem) => problems.push(problem),
        }
    }
    let unread: BTreeSet<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    let config = match Config::deserialize(Value::Table(table)) {
        Ok(config) => config,
        Err(error) => {
            problems.push(Problem::of_key("", error.message()));
            Config::default()
        }
    };
    let broken = config.validate().into_iter();
    for mut problem in broken.filter(|problem| needs(&problem.key)) {
        let set_at = settings
            .iter()
            .rev()
            .find(|setting| setting.key() == problem.key)
            .or_else(|| settings.iter().rev().find(|it| it.is_around(&problem.key)))
            .map(|setting| setting.place.clone());
        let is_set = set_at.is_some();
        problem.place = set_at.or_else(|| file.map(Place::file)).unwrap_or_default();
        // What could not be read is reported already, and isn't missing.
        if !unread.contains(&problem.key) && (is_set || !is_partial) {
            problems.push(problem);
        }
    }
    Problems::refuse_any(problems).map(|()| config)
}
