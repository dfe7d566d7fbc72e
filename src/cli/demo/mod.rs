//! The demonstration: a shop, its catalogue, and the changes that its database would report.

pub mod catalogue;
pub mod debezium;
