//! Vectide keeps a Qdrant collection equal to a database table.
//!
//! This is the guided tour: one record's way from Kafka to Qdrant, in the order in which it meets
//! the modules. `docs/architecture.md` has the same with the reasons, and says what its words mean.
//!
//! [`app::App`] composes the program, which [`cli`] starts with a [`config::Config`]. It is the
//! only place that knows every part. Where the configuration says `embedded`, [`stand_ins`] run
//! Kafka, Qdrant and the embedding endpoint in the same process.
//!
//! 1. [`source::Source`] is a member of the consumer group. Its thread polls a
//!    [`record::RawRecord`], charges its bytes to the [`source::Budget`], and hands it to the
//!    worker of its partition: a task that [`pipeline::Pipeline`] starts for each partition that
//!    is assigned, and that owns all of the partition's state. What its table has of its own comes
//!    from [`pipeline::Routes`].
//!    Before anything else, the worker takes the partition over by an [`index::Claim`], above every
//!    epoch that a former owner wrote under.
//! 2. The worker enters the offset into its [`commit::OffsetLedger`] and gets a [`record::Ack`]
//!    for it: the right, and the duty, to settle the record once.
//! 3. [`decode::Decoder`] reads Debezium's envelope or a flattened row, in JSON or in Avro. Where
//!    the record names a schema that is not known yet, it waits, and its partition with it, until
//!    [`registry::Registry`] has asked for it. Out comes a [`record::RowChange`]: which row,
//!    what it is now, as of which offset.
//! 4. [`document::DocumentBuilder`] makes of the row what the index should hold, a
//!    [`record::Document`]: the text to embed, the payload, and a hash of each. A row that came
//!    without the values that did not change takes them from earlier news of its key, or from
//!    the point.
//! 5. [`window::Window`] collapses what is at hand, for milliseconds: of several changes of one
//!    key the last one goes on, and the others settle as [`record::Settled::Superseded`].
//! 6. [`reconcile::Reconciler`] compares that with what the index does hold,
//!    [`reconcile::Observed`] in its cache or read from the index, and makes a
//!    [`reconcile::Plan`]: the least that makes the two equal. It does no I/O; what it wants done
//!    it says in [`reconcile::Action`]s, and the worker does it.
//! 7. Where the text differs, it is held back until it has been quiet (see [`window::Debounce`]);
//!    then [`embed::Embedder`] buys the vector, in batches with the texts of other partitions, within
//!    the provider's limits ([`tokens`] counts for them), while the spending budget lasts. What it
//!    costs, and what was saved, goes into [`cost::Books`], which an [`index::Bookkeeper`] keeps. A
//!    row that would wait too long is [`record::Parked`] in the index, and gets its vector when
//!    there is time.
//! 8. [`index::Index`] reads points and applies each [`record::Write`]: an upsert, a patch of the
//!    payload, or a delete, which leaves a [`record::Tombstone`]. It answers when Qdrant has applied
//!    it. An [`index::Fence`] keeps former owners from changing what their successors wrote, and
//!    while the [`lease`] is in doubt nothing is written. Truncates, which concern the
//!    points of all partitions, are told to all members by an [`index::Mark`].
//! 9. What can't be processed by its own fault goes to [`dead_letter::DeadLetters`], which answer
//!    when the brokers have acknowledged the letter. What concerns a whole table is held instead,
//!    and [`pipeline::BlockedTables`] say so.
//! 10. With the answer the record settles, as one of [`record::Settled`]. The ledger's frontier,
//!     the lowest unsettled offset, is noted in the collection as a [`record::Watermark`], which
//!     tells replays, and moves on through [`commit::Frontier`] to the source, which
//!     commits it: on a timer, on a rebalance, on shutdown.
//!
//! When a partition goes to another member, and when the program stops, its worker takes nothing new
//! on and finishes, for a bounded time, what is on its way; what has settled by then is committed, and
//! only then the source gives the partition up or leaves the group.
//!
//! What the index holds can be looked at again on request, by `vectide dlq replay` and `vectide audit
//! --repair`: a [`record::Recheck`] in the collection asks the worker that owns the rows' partition to
//! read them from Kafka once more, and to reconcile them like any other news.
//!
//! The audit compares the index with what the topic says, or with what [`postgres`] reads of the table itself.
//!
//! Everything that fails says itself what is to be done about it: see [`error::Disposition`]. What
//! each lane can do right now is in [`telemetry::Health`]; [`admin`] shows it, beside the
//! [`telemetry::Metrics`], over HTTP. A record that is sampled leaves a trace of its way, which
//! [`telemetry::Tracer`] sends to a collector. What of the configuration may change on the way,
//! [`app::App::reload`] takes over.
//!
//! What the connector wrote can be kept in files and read again with [`capture`]; `vectide inspect`
//! shows what the decoder and the document builder make of it, and `vectide explain` what the
//! reconciler would do about the last record of one row. `vectide estimate` counts what they hold, and
//! [`cost::estimate`] computes what that will cost. Before any of that, [`probe`] measures embedding
//! providers side by side.
//!
//! A stage knows the types that flow ([`record`]), [`cost`], [`error`], [`telemetry`], its own section of
//! the configuration, and what several need: [`kafka`], [`lease`], [`tokens`], `http`, `clock` and `backoff`. None
//! of these knows a stage. Of other stages it knows nothing, with two exceptions: the reconciler waits by
//! [`window::Debounce`], and the source, whose threads do it, asks and commits by [`commit`]. Only [`app`]
//! and [`pipeline`] know all stages; a command of [`cli`] knows those that it asks. Pure parts (window,
//! ledger, reconciler, embedding schedule) take the time as an argument.

pub mod admin;
pub mod app;
mod backoff;
pub mod capture;
pub mod cli;
mod clock;
pub mod commit;
pub mod config;
pub mod cost;
pub mod dead_letter;
pub mod decode;
#[cfg(test)]
mod dispositions;
pub mod document;
pub mod embed;
pub mod error;
mod http;
pub mod index;
pub mod kafka;
#[cfg(test)]
mod layers;
pub mod lease;
#[cfg(test)]
mod pages;
pub mod pipeline;
pub mod postgres;
pub mod probe;
pub mod reconcile;
pub mod record;
pub mod registry;
pub mod source;
pub mod stand_ins;
pub mod telemetry;
pub mod tokens;
pub mod window;
