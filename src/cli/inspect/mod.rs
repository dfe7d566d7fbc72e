//! `vectide inspect`: what Vectide understands of records, and what it would write.
//!
//! A record is looked at from outside (`look`), and read as the pipeline reads it (`interpreter`).
//! What comes of it (`understood`) is shown, or counted (`summary`), from which follow `warnings`.

mod columns;
mod interpreter;
mod look;
mod schemas;
pub(super) mod show;
mod show_record;
mod show_summary;
mod summary;
mod suspect;
mod understood;
mod warnings;

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{
    ExitStatus, Options, Output,
    run::Signals,
    selection::{Records, Selection, needs},
};

use summary::Summary;

pub(super) use interpreter::Interpreter;
pub(super) use schemas::Schemas;
pub(super) use show::Length;
pub(super) use show_record::{payload as payload_json, times};
pub(super) use understood::{News, Outcome, Understood};

/// Show what Vectide understands of the records of topics or of a captured file
///
/// Joins no group, commits nothing, and asks neither the index nor the embedding endpoint; the
/// schema registry, if Avro is met. Shows a
/// summary: counts, encodings, columns, what would fail, and what to look into; with --records each
/// record: its columns, the text it would be embedded as, its payload, or why not.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    selection: Selection,
    /// Read what `vectide capture` wrote, instead of topics; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topics", "from", "follow"])]
    file: Option<PathBuf>,
    /// Show each record
    #[arg(long)]
    records: bool,
    /// As JSON: one object a record and line, or the summary as one object
    #[arg(long)]
    json: bool,
    /// Show long values in full; JSON has them anyway
    #[arg(long)]
    full: bool,
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let has_topics = self.file.is_some() || self.selection.names_topics();
        let config = options.load_config_for(|key| needs(key, has_topics))?;
        options.log_if_asked(&config)?;
        let mut interpreter = Interpreter::new(&config)?;
        let records = match &self.file {
            Some(file) => Records::of_file(file)?,
            None => self.selection.read(&config).await?,
        };
        let mut schemas = Schemas::new(&config.registry)?;
        self.inspect(&mut interpreter, &mut schemas, records, out)
            .await?;
        out.flush()?;
        Ok(ExitStatus::Success)
    }

    async fn inspect(
        &self,
        interpreter: &mut Interpreter,
        schemas: &mut Schemas,
        mut records: Records,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        let length = if self.full { Length::Full } else { Length::Cut };
        let mut signals = Signals::listen()?;
        let mut summary = Summary::default();
        let mut count = 0;
        while count < self.selection.limit() {
            let raw = tokio::select! {
                raw = records.next() => raw?,
                _ = signals.next() => None,
            };
            let Some(raw) = raw else { break };
            count += 1;
            let record = match schemas.teach(interpreter, &raw).await {
                Ok(()) => interpreter.understand(&raw),
                Err(failure) => interpreter.unreadable(&raw, failure),
            };
            match (self.records, self.json) {
                (false, _) => summary.add(&record),
                (true, true) => writeln!(out, "{}", record.to_json())?,
                (true, false) => write!(out, "{}", record.to_text(length)?)?,
            }
            if self.selection.follows() && records.is_idle() {
                out.flush()?;
            }
        }
        match (self.records, self.json) {
            (true, _) => {}
            (false, true) => writeln!(out, "{:#}", summary.to_json())?,
            (false, false) => write!(out, "{}", summary.to_text(length)?)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
