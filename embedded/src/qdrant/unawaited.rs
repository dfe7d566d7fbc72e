//! Writes whose caller does not wait: answered first, carried out behind the answer, in their order.

use std::sync::Arc;

use qdrant_client::qdrant::PointsUpdateOperation;
use tokio::sync::{mpsc, watch};

use super::{blocking, fault::FaultSwitch, store::Store};

/// One call's operations on the collection of this name.
pub(super) struct Unawaited {
    pub(super) collection: String,
    pub(super) operations: Vec<PointsUpdateOperation>,
}

/// The writes that were answered and not carried out yet.
#[derive(Debug)]
pub(super) struct Queue {
    writes: mpsc::UnboundedSender<Unawaited>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Queue {
    /// Starts the task that carries them out. It ends with the queue.
    pub(super) fn start(store: Arc<Store>, faults: FaultSwitch) -> Self {
        let (writes, mut inbox) = mpsc::unbounded_channel::<Unawaited>();
        let waiting = Arc::new(watch::Sender::new(0));
        let done = waiting.clone();
        tokio::spawn(async move {
            while let Some(write) = inbox.recv().await {
                if let Err(status) = carry_out(&store, &faults, write).await {
                    tracing::warn!(%status, "a write that nobody waited for failed");
                }
                done.send_modify(|waiting| *waiting -= 1);
            }
        });
        Self { writes, waiting }
    }

    /// Takes a write to be carried out after those before it.
    pub(super) fn push(&self, write: Unawaited) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        // The task lives as long as this sender.
        let _ = self.writes.send(write);
    }

    /// Returns when all that was pushed so far is carried out.
    pub(super) async fn empty(&self) {
        let mut waiting = self.waiting.subscribe();
        let _ = waiting.wait_for(|waiting| *waiting == 0).await;
    }
}

async fn carry_out(
    store: &Arc<Store>,
    faults: &FaultSwitch,
    write: Unawaited,
) -> Result<(), tonic::Status> {
    faults.before_write().await?;
    let store = Arc::clone(store);
    blocking(move || {
        let collection = store.collection(&write.collection)?;
        for operation in write.operations {
            collection.write(operation)?;
        }
        Ok(())
    })
    .await
}
