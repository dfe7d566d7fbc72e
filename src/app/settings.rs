//! What the partitions are told of the configuration. Pure.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context;

use crate::{
    config::{Config, Parking, ReplayPolicy},
    decode::RowSettings,
    document::{DocumentBuilder, PointIds},
    index::Index,
    pipeline::{ParkAfter, Routes, Settings, TableSettings, Tracing, Upkeep},
    reconcile::{Delays, Replay},
    stand_ins::Endpoints,
    telemetry::{Tracer, of_embedding},
};

/// How every partition is processed.
pub(super) fn settings(
    config: &Config,
    indexes: &BTreeMap<String, Index>,
) -> anyhow::Result<Settings> {
    let version_column = config.window.version_column.as_deref();
    let mut documents = Vec::new();
    for table in config.table_sections() {
        if config.is_used(&table) {
            let section = table.document_key();
            let builder = DocumentBuilder::of_section(&section, table.document, version_column)?;
            documents.push((table, builder));
        }
    }
    let mut tables = Routes::default();
    for (table, documents) in documents {
        let index = indexes.get(table.collection);
        let rows = RowSettings::new(table.rows, documents.needed_columns());
        let settings = TableSettings {
            rows: rows.in_section(table.rows_key()),
            documents,
            point_ids: PointIds(table.document.point_id),
            on_truncate: table.rows.truncate,
            index: index.context("a collection was forgotten")?.clone(),
        };
        match table.entry {
            Some(_) => tables.push(table.topics, settings)?,
            None => tables.set_others(settings),
        }
    }
    Ok(Settings {
        linger: config.window.linger,
        delays: Delays {
            quiet: config.window.quiet,
            max_hold: config.window.max_hold,
        },
        fingerprint: config.embed.fingerprint(),
        replay: match config.index.replay {
            ReplayPolicy::Skip => Replay::Skip,
            ReplayPolicy::Repair => Replay::Repair,
        },
        cache_keys: config.index.cache_keys,
        upkeep: Upkeep {
            note_every: config.commit.interval,
            retention: config.index.tombstone_retention,
        },
        park_after: match config.pipeline.parking {
            Parking::Auto => Some(ParkAfter(config.pipeline.park_after)),
            Parking::Never => None,
        },
        log_row_values: config.log.row_values,
        tables,
    })
}

/// What the spans of all records say.
pub(super) fn tracing(config: &Config, endpoints: &Endpoints, tracer: Tracer) -> Arc<Tracing> {
    let embed = &config.embed;
    Arc::new(Tracing {
        tracer,
        group: config.kafka.group.as_str().into(),
        embedding: of_embedding(&endpoints.embed_url, &embed.model, embed.dimensions),
        shows_keys: config.log.row_values,
    })
}
