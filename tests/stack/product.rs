//! Products as a connector would write them, where no database is needed.

use anyhow::Result;
use serde_json::json;

use crate::kafka::Kafka;
use crate::table::Row;

/// Writes that a product was created, and returns what its point should be.
pub(crate) fn create(kafka: &Kafka, topic: &str, id: i64) -> Result<(i64, Row)> {
    let columns = json!({
        "id": id, "sku": format!("SKU-{id}"), "title": format!("Kettle no. {id}"), "category": "Kitchen",
        "description": null, "price": "12.50", "stock": 3, "updated_at": "2025-01-02T03:04:05Z",
    });
    let change = json!({
        "before": null, "after": columns, "op": "c", "ts_ms": 1,
        "source": {"connector": "postgresql", "ts_ms": 1, "lsn": id, "snapshot": "false"},
    });
    let key = json!({"id": id}).to_string();
    kafka.produce(topic, key.as_bytes(), change.to_string().as_bytes())?;
    let columns = columns.as_object().cloned().unwrap_or_default();
    crate::table::row(&columns)
}
