//! `vectide capture`: records of Kafka, kept in a file.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;

use super::{
    ExitStatus, Options, Output,
    run::Signals,
    selection::{Records, Selection, counted, needs},
};
use crate::capture::CaptureWriter;

/// Write the records of topics to a file, byte for byte, one JSON object a line
///
/// Joins no group and commits nothing. Ends where the partitions ended when it began. The file can
/// be looked at with `vectide inspect --file`, and sent to somebody: it holds all that the records
/// hold.
#[derive(Debug, Args)]
pub(super) struct Command {
    #[command(flatten)]
    selection: Selection,
    /// Where to; a name that ends in .gz is gzipped, - is standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

impl Command {
    pub(super) async fn run(
        self,
        options: &Options,
        out: &mut Output,
    ) -> anyhow::Result<ExitStatus> {
        let names_topics = self.selection.names_topics();
        let config = options.load_config_for(|key| needs(key, names_topics))?;
        options.log_if_asked(&config)?;
        let records = self.selection.read(&config).await?;
        let name = self.output.display();
        if self.output.as_os_str() == "-" {
            let mut writer = CaptureWriter::plain(BufWriter::new(out));
            self.write(records, &mut writer).await?;
            writer.finish()?;
        } else {
            let cannot = || format!("cannot write {name}");
            let mut writer = CaptureWriter::create(&self.output).with_context(cannot)?;
            let count = self.write(records, &mut writer).await;
            // What was read until something failed is worth keeping.
            writer.finish().with_context(cannot)?;
            writeln!(out, "{} in {name}", counted(count?))?;
            out.flush()?;
        }
        Ok(ExitStatus::Success)
    }

    /// Returns how many.
    async fn write(
        &self,
        mut records: Records,
        writer: &mut CaptureWriter<impl Write>,
    ) -> anyhow::Result<u64> {
        let mut signals = Signals::listen()?;
        let mut count = 0;
        while count < self.selection.limit() {
            let raw = tokio::select! {
                raw = records.next() => raw?,
                _ = signals.next() => None,
            };
            let Some(raw) = raw else { break };
            writer.write(&raw).context("cannot write")?;
            count += 1;
            if self.selection.follows() && records.is_idle() {
                writer.flush().context("cannot write")?;
            }
        }
        Ok(count)
    }
}
