//! The operations a collection has taken since it was last flushed.
//!
//! The engine writes a log of its own but doesn't read it when it opens a folder, so what it had
//! in memory when the process was killed would be gone. A journal holds the same operations as
//! they came over the wire; [`replay`](Journal::replay) gives them back in order.
//!
//! A record is its length (u32, little endian) and a `PointsUpdateOperation` in protobuf. Records
//! aren't synced to the disk one by one: they survive the end of the process, not a power cut.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::Path,
};

use prost::Message;
use qdrant_client::qdrant::PointsUpdateOperation;

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Bytes of whole records; what a failed write left behind them is cut off.
    length: u64,
}

impl Journal {
    /// Opens or creates the journal at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// Gives every whole record to `apply`, oldest first, and returns how many there were. The
    /// torn record of a writer that was killed ends the replay: nobody was told it is stored.
    pub(super) fn replay(
        &mut self,
        mut apply: impl FnMut(PointsUpdateOperation),
    ) -> io::Result<u64> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        let mut records = 0;
        let mut whole = 0;
        let mut bytes = Vec::new();
        loop {
            let mut header = [0; size_of::<u32>()];
            if !read_whole(&mut reader, &mut header)? {
                break;
            }
            let length = u64::from(u32::from_le_bytes(header));
            if whole + size_of::<u32>() as u64 + length > self.length {
                break;
            }
            bytes.clear();
            (&mut reader).take(length).read_to_end(&mut bytes)?;
            let operation = PointsUpdateOperation::decode(bytes.as_slice())
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            apply(operation);
            records += 1;
            whole += size_of::<u32>() as u64 + length;
        }
        self.file.set_len(whole)?;
        self.length = whole;
        Ok(records)
    }

    /// Adds a record as [`encode`] made it.
    pub(super) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length))?;
        if let Err(error) = self.file.write_all(record) {
            // A half record would hide the ones after it.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// Forgets every record: the engine has flushed what they did.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.length = 0;
        Ok(())
    }

    /// Bytes of the records held.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

/// A record of the journal.
pub(super) fn encode(operation: &PointsUpdateOperation) -> io::Result<Vec<u8>> {
    let length = u32::try_from(operation.encoded_len())
        .map_err(|_| io::Error::new(ErrorKind::FileTooLarge, "an operation of over 4 GiB"))?;
    let mut record = Vec::with_capacity(size_of::<u32>() + operation.encoded_len());
    record.extend_from_slice(&length.to_le_bytes());
    operation
        .encode(&mut record)
        .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    Ok(record)
}

/// Fills `buffer`, or says that the input ends before it is full.
fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use qdrant_client::qdrant::{
        PointsIdsList, PointsSelector,
        points_selector::PointsSelectorOneOf,
        points_update_operation::{DeletePoints, Operation},
    };

    use super::*;

    fn delete(id: u64) -> PointsUpdateOperation {
        let ids = PointsIdsList {
            ids: vec![id.into()],
        };
        PointsUpdateOperation {
            operation: Some(Operation::DeletePoints(DeletePoints {
                points: Some(PointsSelector {
                    points_selector_one_of: Some(PointsSelectorOneOf::Points(ids)),
                }),
                shard_key_selector: None,
            })),
        }
    }

    fn replayed(path: &Path) -> Vec<PointsUpdateOperation> {
        let mut operations = Vec::new();
        let mut journal = Journal::open(path).unwrap();
        journal
            .replay(|operation| operations.push(operation))
            .unwrap();
        operations
    }

    #[test]
    fn records_come_back_in_order_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        for id in 0..3 {
            journal.append(&encode(&delete(id)).unwrap()).unwrap();
        }
        drop(journal);
        assert_eq!(replayed(&path), [delete(0), delete(1), delete(2)]);
    }

    #[test]
    fn a_torn_record_is_dropped_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.append(&encode(&delete(1)).unwrap()).unwrap();
        let torn = encode(&delete(2)).unwrap();
        journal
            .file
            .write_all(torn.split_last().unwrap().1)
            .unwrap();
        drop(journal);

        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.replay(|_| ()).unwrap(), 1);
        journal.append(&encode(&delete(3)).unwrap()).unwrap();
        drop(journal);
        assert_eq!(replayed(&path), [delete(1), delete(3)]);
    }

    #[test]
    fn nothing_is_left_after_clearing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        journal.append(&encode(&delete(1)).unwrap()).unwrap();
        journal.clear().unwrap();
        assert_eq!(journal.length(), 0);
        assert_eq!(replayed(&path), []);
    }
}
