//! Java programs from the fetched jars.

use anyhow::Result;

use crate::process::{Process, Program};
use crate::workspace::Workspace;

/// Everything at warning level and above, as one line on standard output.
const LOGGING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{HH:mm:ss.SSS} %-5p %c{1.}: %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="io.debezium" level="INFO"/>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"#;

/// The Java runtime with Kafka, Kafka Connect and Debezium on its class path.
pub(crate) struct Java {
    executable: String,
    class_path: String,
    logging: String,
}

impl Java {
    /// Finds the runtime and the jars.
    pub(crate) fn find(workspace: &Workspace) -> Result<Self> {
        let logging = workspace.write("log4j2.xml", LOGGING)?;
        Ok(Self {
            executable: workspace.server("java")?.to_owned(),
            class_path: format!("{}/*", workspace.server("jars")?),
            logging: format!("-Dlog4j2.configurationFile={logging}"),
        })
    }

    /// Runs a main class to its end.
    pub(crate) fn run(&self, name: &str, main: &[&str]) -> Result<String> {
        Program::new(name, &self.command("-Xmx256m", main)).run()
    }

    /// Starts a main class with at most `heap` (as `-Xmx` takes it) of memory for its objects.
    pub(crate) fn start(
        &self,
        workspace: &Workspace,
        name: &str,
        heap: &str,
        main: &[&str],
    ) -> Result<Process> {
        Program::new(name, &self.command(&format!("-Xmx{heap}"), main)).start(&workspace.logs())
    }

    /// Starts a jar that brings its libraries along, with settings as `name=value`.
    pub(crate) fn start_jar(
        &self,
        workspace: &Workspace,
        name: &str,
        jar: &str,
        settings: &[String],
    ) -> Result<Process> {
        let mut command = vec![
            &*self.executable,
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
        ];
        let settings: Vec<_> = settings
            .iter()
            .map(|setting| format!("-D{setting}"))
            .collect();
        command.extend(settings.iter().map(String::as_str));
        command.extend(["-jar", jar]);
        Program::new(name, &command).start(&workspace.logs())
    }

    fn command<'a>(&'a self, heap: &'a str, main: &[&'a str]) -> Vec<&'a str> {
        // A short-lived server on few cores starts in half the time without the optimising compiler.
        let mut command = vec![
            &*self.executable,
            heap,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            &self.logging,
            "-cp",
            &self.class_path,
        ];
        command.extend(main);
        command
    }
}
