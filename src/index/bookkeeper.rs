//! Keeps the books of a process in the index: notes at intervals what was spent, and reads what the
//! other members noted.

use std::{collections::BTreeMap, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use crate::{
    cost::{Books, Day, Spent},
    error::Failure,
};

use super::accounts::{Accounts, KeptAccount, ProcessId};

/// A budget needs to know what was spent: so often is that tried to be read, if it can't be.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// One process's books, kept in the index.
#[derive(Debug)]
pub struct Bookkeeper {
    /// Dropped, it stops all the same, with a last note.
    stop: DropGuard,
    keeping: JoinHandle<()>,
}

struct Keeper {
    books: Books,
    process: ProcessId,
    /// Where this process's accounts go: the first. Others may have theirs in any of them.
    kept_in: Vec<Accounts>,
    every: Duration,
    keep_days: u64,
    is_indexed: bool,
    forgot: Option<Day>,
}

impl Bookkeeper {
    /// Reads what was spent, then starts on the current Tokio runtime. `collections` are those that the
    /// group writes to, in an order that all members have the same.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn start(
        books: Books,
        collections: Vec<Accounts>,
        every: Duration,
        keep_days: u32,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut keeper = Keeper {
            books,
            process: ProcessId::random(),
            kept_in: collections,
            every,
            keep_days: u64::from(keep_days),
            is_indexed: false,
            forgot: None,
        };
        let is_failing = keeper.has_failed(false).await;
        Self {
            keeping: tokio::spawn(keeper.keep(is_failing, stop.clone())),
            stop: stop.drop_guard(),
        }
    }

    /// Notes what is left to be noted, within `patience`, and stops.
    pub async fn stop(self, patience: Duration) {
        self.stop.disarm().cancel();
        if tokio::time::timeout(patience, self.keeping).await.is_err() {
            warn!(
                "the index does not take the last account: what was spent since the one before is not in it"
            );
        }
    }
}

impl Keeper {
    /// One round after the other; once `stop` is cancelled, a last one.
    async fn keep(mut self, mut is_failing: bool, stop: CancellationToken) {
        loop {
            let pause = if is_failing && self.books.has_budget() {
                self.every.min(TRY_AGAIN)
            } else {
                self.every
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            let is_last = stop.is_cancelled();
            is_failing = self.has_failed(is_failing).await;
            if is_last {
                return;
            }
        }
    }

    /// Whether a round failed, which is said if that is news.
    async fn has_failed(&mut self, had_failed: bool) -> bool {
        match self.round().await {
            Ok(()) => return false,
            Err(failure) if had_failed => debug!("accounts can't be kept: {failure}"),
            Err(failure) => warn!("accounts of what embeddings cost can't be kept: {failure}"),
        }
        true
    }

    /// Notes, reads, and once a day forgets what is old.
    async fn round(&mut self) -> Result<(), Failure> {
        self.note().await?;
        let today = self.books.today();
        // Without a budget nobody asks what the others spent.
        if self.books.has_budget() {
            let spent = self.read(today).await?;
            self.books.tell_others(spent);
        }
        if self.forgot != Some(today) && self.is_indexed {
            let oldest = today.before(self.keep_days);
            for accounts in &self.kept_in {
                accounts.forget_before(oldest).await?;
            }
            self.forgot = Some(today);
        }
        Ok(())
    }

    async fn note(&mut self) -> Result<(), Failure> {
        let mut to_be_noted = self.books.to_be_noted().into_iter();
        let mut noted = Ok(());
        for (day, account) in to_be_noted.by_ref() {
            let kept = KeptAccount {
                process: self.process.clone(),
                day,
                account,
            };
            noted = self.write(&kept).await;
            if noted.is_err() {
                self.books.not_noted(day);
                break;
            }
        }
        for (day, _) in to_be_noted {
            self.books.not_noted(day);
        }
        noted
    }

    async fn write(&mut self, kept: &KeptAccount) -> Result<(), Failure> {
        self.index_days().await;
        match self.kept_in.first() {
            Some(accounts) => accounts.write(kept).await,
            None => Ok(()),
        }
    }

    /// Without an index all works, too, but on a server in strict mode.
    async fn index_days(&mut self) {
        if self.is_indexed {
            return;
        }
        for accounts in &self.kept_in {
            if let Err(failure) = accounts.index_days().await {
                return debug!("{accounts:?} can't be indexed by their days: {failure}");
            }
        }
        self.is_indexed = true;
    }

    /// What the other processes spent this month, by day: those that run, and those that ran.
    async fn read(&mut self, today: Day) -> Result<BTreeMap<Day, Spent>, Failure> {
        self.index_days().await;
        let mut spent: BTreeMap<Day, Spent> = BTreeMap::new();
        for accounts in &self.kept_in {
            // A member whose clock is ahead may be in tomorrow.
            let kept = accounts.read(today.month().first(), today.next()).await?;
            for kept in kept.iter().filter(|kept| kept.process != self.process) {
                *spent.entry(kept.day).or_default() += kept.account.spent();
            }
        }
        Ok(spent)
    }
}
