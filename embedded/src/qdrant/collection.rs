//! One collection: an engine in a folder, one writer at a time, and what it takes to survive.
//!
//! Readers share the engine, which has its own locks; writers queue at one lock. A write is
//! journalled, if the collection is to be kept, and applied before it is answered.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use qdrant_client::qdrant::PointsUpdateOperation;
use qdrant_edge::{EdgeConfig, EdgeShard, OperationError, UpdateOperation};
use thiserror::Error;
use tonic::Status;

use super::{
    convert::{operation, vector::VectorSizes},
    error::{engine, internal, no_collection},
    journal::{self, Journal},
};

const JOURNAL_FILE: &str = "journal";
/// Where the engine keeps its configuration; a folder without it isn't a collection.
const ENGINE_CONFIG_FILE: &str = "edge_config.json";
/// The engine's log: files of 32 MiB, closed one after another, read by nobody.
const ENGINE_LOG_FOLDER: &str = "wal";
const CLOSED_LOG_PREFIX: &str = "closed-";

/// Closed log files at which the engine is reopened without them, once nobody has written for
/// [`QUIET`]: it answers nothing meanwhile, for a second or two where there is much to load...
const MAX_CLOSED_LOGS: usize = 8;
/// ...or all the same, when the disk would suffer otherwise.
const MOST_CLOSED_LOGS: usize = 64;
const QUIET: Duration = Duration::from_secs(2);
/// Writes are flushed this long after the first of them...
const FLUSH_AFTER: Duration = Duration::from_secs(30);
/// ...or when so much is in the journal that replaying it would take seconds.
const FLUSH_AT_JOURNAL_BYTES: u64 = 128 * 1024 * 1024;

/// Why a collection's folder can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder can't be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The engine refuses the folder: in use by another process, damaged, or of another version.
    #[error("the engine can't open it: {0}")]
    Engine(String),
}

impl From<OperationError> for OpenError {
    fn from(error: OperationError) -> Self {
        Self::Engine(error.to_string())
    }
}

#[derive(Debug)]
pub(super) struct Collection {
    name: String,
    folder: PathBuf,
    sizes: VectorSizes,
    shard: RwLock<Result<EdgeShard, Absent>>,
    writer: Mutex<Writer>,
}

/// Why there is no engine any more.
#[derive(Clone, Copy, Debug)]
enum Absent {
    Deleted,
    /// By the server's end, or because it couldn't be reopened.
    Closed,
}

#[derive(Debug)]
struct Writer {
    /// None where nothing is to be kept.
    journal: Option<Journal>,
    next_operation: u64,
    /// When the oldest write that isn't flushed came in.
    unflushed_since: Option<Instant>,
    /// When the last write came in.
    written: Instant,
}

impl Collection {
    /// Makes a new collection in `folder`, which doesn't exist yet.
    pub(super) fn create(
        name: &str,
        folder: PathBuf,
        config: EdgeConfig,
        durable: bool,
    ) -> Result<Self, OpenError> {
        fs::create_dir_all(&folder)?;
        let shard = EdgeShard::new(&folder, config)?;
        Self::new(name, folder, shard, durable)
    }

    /// Opens the collection in `folder` and applies what its last process couldn't flush.
    pub(super) fn open(name: &str, folder: PathBuf, durable: bool) -> Result<Self, OpenError> {
        let shard = EdgeShard::load(&folder, None)?;
        let collection = Self::new(name, folder, shard, durable)?;
        collection.replay()?;
        Ok(collection)
    }

    /// Whether `folder` holds a collection, rather than the rests of one that was being made.
    pub(super) fn is_in(folder: &Path) -> bool {
        folder.join(ENGINE_CONFIG_FILE).is_file()
    }

    fn new(
        name: &str,
        folder: PathBuf,
        shard: EdgeShard,
        durable: bool,
    ) -> Result<Self, OpenError> {
        let journal = durable
            .then(|| Journal::open(&folder.join(JOURNAL_FILE)))
            .transpose()?;
        let sizes = VectorSizes::new(&shard.config().vectors);
        Ok(Self {
            name: name.to_owned(),
            folder,
            sizes,
            shard: RwLock::new(Ok(shard)),
            writer: Mutex::new(Writer {
                journal,
                next_operation: 0,
                unflushed_since: None,
                written: Instant::now(),
            }),
        })
    }

    /// The vectors that points of this collection can have.
    pub(super) fn sizes(&self) -> &VectorSizes {
        &self.sizes
    }

    /// Lets `f` read from the engine. Any number of readers at once, beside a writer.
    pub(super) fn read<T>(
        &self,
        f: impl FnOnce(&EdgeShard) -> Result<T, Status>,
    ) -> Result<T, Status> {
        match &*self.shard.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(shard) => f(shard),
            Err(Absent::Deleted) => Err(no_collection(&self.name)),
            Err(Absent::Closed) => Err(Status::unavailable("the embedded Qdrant is stopping")),
        }
    }

    /// Carries out one write and returns its number. It changes nothing where it can't be right.
    ///
    /// Blocks: on the disk, on other writers, on computing.
    pub(super) fn write(&self, operation: PointsUpdateOperation) -> Result<u64, Status> {
        let record = self
            .writer()
            .journal
            .is_some()
            .then(|| journal::encode(&operation))
            .transpose()
            .map_err(|error| internal(error.to_string()))?;
        let operation = operation::from_proto(operation, &self.sizes)?;
        self.read(|shard| {
            let mut writer = self.writer();
            if let (Some(journal), Some(record)) = (&mut writer.journal, record) {
                journal
                    .append(&record)
                    .map_err(|error| internal(format!("journal: {error}")))?;
            }
            writer.apply(shard, operation)
        })
    }

    /// Makes or drops a payload index. Rare and not journalled, so it is flushed at once.
    pub(super) fn write_index(&self, operation: UpdateOperation) -> Result<u64, Status> {
        self.read(|shard| {
            let mut writer = self.writer();
            let number = writer.apply(shard, operation)?;
            writer.flush(shard)?;
            Ok(number)
        })
    }

    /// Does what is due: flushes, or gets rid of the engine's log. To be called every second or so.
    pub(super) fn upkeep(&self) -> Result<(), Status> {
        let is_quiet = self.read(|shard| {
            let mut writer = self.writer();
            if writer.flush_is_due() {
                writer.flush(shard)?;
            }
            Ok(writer.written.elapsed() >= QUIET)
        })?;
        let logs = self
            .closed_logs()
            .map_err(|error| internal(error.to_string()))?;
        let most = if is_quiet {
            MAX_CLOSED_LOGS
        } else {
            MOST_CLOSED_LOGS
        };
        if logs.len() >= most {
            self.drop_logs()
                .map_err(|error| internal(error.to_string()))?;
        }
        Ok(())
    }

    /// Closes the engine, everything flushed. Later calls answer `Unavailable`.
    pub(super) fn close(&self) -> Result<(), Status> {
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer();
        match take(&mut shard, Absent::Closed) {
            Some(shard) if writer.journal.is_some() => writer.flush(&shard),
            _ => Ok(()),
        }
    }

    /// Closes the engine and removes the folder.
    pub(super) fn delete(&self) -> Result<(), Status> {
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        drop(take(&mut shard, Absent::Deleted));
        fs::remove_dir_all(&self.folder).map_err(|error| internal(error.to_string()))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replay(&self) -> Result<(), OpenError> {
        let shard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer();
        let (Ok(shard), Some(mut journal)) = (&*shard, writer.journal.take()) else {
            return Ok(());
        };
        let records = journal.replay(|record| {
            // What was refused then is refused now: the client knows, and goes on.
            if let Err(refused) = operation::from_proto(record, &self.sizes)
                .and_then(|operation| writer.apply(shard, operation))
            {
                tracing::debug!(collection = self.name, %refused, "refused again");
            }
        })?;
        writer.journal = Some(journal);
        if records > 0 {
            tracing::info!(collection = self.name, records, "replayed the journal");
            writer
                .flush(shard)
                .map_err(|status| OpenError::Engine(status.message().to_owned()))?;
        }
        Ok(())
    }

    fn closed_logs(&self) -> io::Result<Vec<PathBuf>> {
        let mut logs: Vec<(u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(self.folder.join(ENGINE_LOG_FOLDER))? {
            let path = entry?.path();
            let start = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix(CLOSED_LOG_PREFIX))
                .and_then(|start| start.parse().ok());
            if let Some(start) = start {
                logs.push((start, path));
            }
        }
        logs.sort_unstable();
        Ok(logs.into_iter().map(|(_, path)| path).collect())
    }

    /// Reopens the engine with only the last closed file of its log, from which it knows the number
    /// of its next operation. The engine never shortens the log itself.
    fn drop_logs(&self) -> Result<(), OpenError> {
        let mut shard = self.shard.write().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = take(&mut shard, Absent::Closed) else {
            return Ok(());
        };
        self.writer()
            .flush(&open)
            .map_err(|status| OpenError::Engine(status.message().to_owned()))?;
        drop(open);
        let logs = self.closed_logs()?;
        for log in logs.iter().rev().skip(1) {
            fs::remove_file(log)?;
        }
        *shard = Ok(EdgeShard::load(&self.folder, None)?);
        Ok(())
    }
}

/// The engine, if there still is one.
fn take(shard: &mut Result<EdgeShard, Absent>, absent: Absent) -> Option<EdgeShard> {
    match shard {
        Ok(_) => std::mem::replace(shard, Err(absent)).ok(),
        Err(_) => None,
    }
}

impl Writer {
    fn apply(&mut self, shard: &EdgeShard, operation: UpdateOperation) -> Result<u64, Status> {
        let number = self.next_operation;
        self.next_operation += 1;
        self.written = Instant::now();
        self.unflushed_since.get_or_insert(self.written);
        shard.update(operation).map_err(engine)?;
        Ok(number)
    }

    fn flush_is_due(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| {
            journal.length() >= FLUSH_AT_JOURNAL_BYTES
                || self
                    .unflushed_since
                    .is_some_and(|since| since.elapsed() >= FLUSH_AFTER)
        })
    }

    /// Brings everything to the disk. Nobody else may write meanwhile: the engine insists on it.
    fn flush(&mut self, shard: &EdgeShard) -> Result<(), Status> {
        shard.flush();
        self.unflushed_since = None;
        match &mut self.journal {
            Some(journal) => journal
                .clear()
                .map_err(|error| internal(format!("journal: {error}"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
