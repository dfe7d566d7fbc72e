//! Tickets: how a partition worker tells the answers of the shared services apart.

/// Names one request of one partition worker to a shared service. Never reused within a worker, so
/// an answer that comes too late finds nobody rather than somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);
