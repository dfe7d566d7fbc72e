//! Logical names: what Kafka Connect and Debezium call the meaning of a schema.
//!
//! The names are those of Debezium's documentation ("Data type mappings" of each connector) and of
//! Kafka Connect's `org.apache.kafka.connect.data`.

use crate::record::{ColumnType, Unit};

/// By the logical name of a schema: Kafka Connect's `name`, or Avro's `connect.name`; `scale`
/// is its parameter, where it has one.
pub(super) fn column_type(name: &str, scale: Option<i32>) -> ColumnType {
    match name {
        "org.apache.kafka.connect.data.Decimal" => ColumnType::Decimal {
            scale: scale.unwrap_or(0),
        },
        "io.debezium.data.VariableScaleDecimal" => ColumnType::VariableScaleDecimal,
        "org.apache.kafka.connect.data.Date"
        | "io.debezium.time.Date"
        | "io.debezium.time.IsoDate" => ColumnType::Date,
        "org.apache.kafka.connect.data.Time" | "io.debezium.time.Time" => {
            ColumnType::Time(Unit::Millis)
        }
        "io.debezium.time.MicroTime" | "io.debezium.time.IsoTime" => ColumnType::Time(Unit::Micros),
        "io.debezium.time.NanoTime" => ColumnType::Time(Unit::Nanos),
        "org.apache.kafka.connect.data.Timestamp" | "io.debezium.time.Timestamp" => {
            ColumnType::Timestamp(Unit::Millis)
        }
        "io.debezium.time.MicroTimestamp" | "io.debezium.time.IsoTimestamp" => {
            ColumnType::Timestamp(Unit::Micros)
        }
        "io.debezium.time.NanoTimestamp" => ColumnType::Timestamp(Unit::Nanos),
        "io.debezium.data.Json" => ColumnType::Json,
        "io.debezium.data.Bits" => ColumnType::Bits,
        "io.debezium.data.EnumSet" => ColumnType::Set,
        // UUIDs, enums, XML, years, intervals, zoned times and geometries are kept as they are.
        _ => ColumnType::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_column_is_and_unknown_ones_leave_it_as_it_stands() {
        for (name, expected) in [
            ("org.apache.kafka.connect.data.Decimal", "decimal(2)"),
            ("io.debezium.data.VariableScaleDecimal", "variable_decimal"),
            ("io.debezium.time.Date", "date"),
            ("io.debezium.time.MicroTime", "time_micros"),
            ("io.debezium.time.NanoTimestamp", "timestamp_nanos"),
            (
                "org.apache.kafka.connect.data.Timestamp",
                "timestamp_millis",
            ),
            ("io.debezium.data.Json", "json"),
            ("io.debezium.data.EnumSet", "set"),
            ("io.debezium.data.Uuid", "text"),
            ("io.debezium.time.ZonedTimestamp", "text"),
        ] {
            assert_eq!(column_type(name, Some(2)).to_string(), expected, "{name}");
        }
    }
}
