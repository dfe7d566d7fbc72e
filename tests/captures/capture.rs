//! The captures, and what each needs configured.

use std::fmt::Write as _;

use crate::compare::Type;

/// How a capture's records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// JSON with its schema: nothing to configure.
    Schema,
    /// JSON without, in Debezium's own forms: the types have to be named.
    Bare,
    /// JSON without, decimals as text, times in ISO 8601.
    BareText,
    /// JSON without, decimals as floating-point numbers, times in milliseconds.
    BareDoubles,
    /// Avro, by the registry.
    Avro,
}

/// The database that a capture is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Postgres,
    Maria,
}

/// One connector's records.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The file's name, which is the connector's and so the prefix of its topics.
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    pub(crate) encoding: Encoding,
    /// Rows without an envelope, and no truncates.
    pub(crate) flattened: bool,
}

const fn capture(name: &'static str, database: Database, encoding: Encoding) -> Capture {
    Capture {
        name,
        database,
        encoding,
        flattened: false,
    }
}

const fn flattened(name: &'static str, encoding: Encoding) -> Capture {
    Capture {
        name,
        database: Database::Postgres,
        encoding,
        flattened: true,
    }
}

/// All captures.
pub(crate) const ALL: [Capture; 12] = [
    capture("json_schema", Database::Postgres, Encoding::Schema),
    capture("json_bare", Database::Postgres, Encoding::Bare),
    capture(
        "json_string_decimals",
        Database::Postgres,
        Encoding::BareText,
    ),
    capture(
        "json_double_decimals",
        Database::Postgres,
        Encoding::BareDoubles,
    ),
    capture("avro", Database::Postgres, Encoding::Avro),
    capture("avro-hyphen", Database::Postgres, Encoding::Avro),
    flattened("flat_rewrite", Encoding::Bare),
    flattened("flat_tombstone", Encoding::Bare),
    flattened("flat_schema", Encoding::Schema),
    capture("maria_json_schema", Database::Maria, Encoding::Schema),
    capture("maria_json_bare", Database::Maria, Encoding::Bare),
    capture("maria_avro", Database::Maria, Encoding::Avro),
];

/// A table, its columns as they are at the end, and its primary key first among them.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [&'static str],
    pub(crate) columns: &'static [(&'static str, Type)],
}

static POSTGRES: [Table; 4] = [
    Table {
        name: "products",
        key: &["id"],
        columns: &[
            ("id", Type::Int),
            ("sku", Type::Text),
            ("name", Type::Text),
            ("description", Type::Text),
            ("price", Type::Decimal),
            ("list_price", Type::Decimal),
            ("weight_kg", Type::Float),
            ("stock", Type::Int),
            ("active", Type::Bool),
            ("shelf", Type::Text),
            ("tags", Type::Json),
            ("attributes", Type::Json),
            ("image", Type::Bytes),
            ("released", Type::Date),
            ("opens", Type::Time),
            ("created_at", Type::Instant),
            ("updated_at", Type::Local),
            ("rating", Type::Float),
        ],
    },
    Table {
        name: "translations",
        key: &["product_id", "locale"],
        columns: &[
            ("product_id", Type::Int),
            ("locale", Type::Text),
            ("title", Type::Text),
            ("body", Type::Text),
        ],
    },
    Table {
        name: "full_products",
        key: &["id"],
        columns: &[
            ("id", Type::Int),
            ("title", Type::Text),
            ("description", Type::Text),
            ("price", Type::Decimal),
            ("stock", Type::Int),
        ],
    },
    Table {
        name: "nokey",
        key: &["name"],
        columns: &[("name", Type::Text), ("n", Type::Int)],
    },
];

static MARIA: [Table; 2] = [
    Table {
        name: "products",
        key: &["id"],
        columns: &[
            ("id", Type::Int),
            ("sku", Type::Text),
            ("title", Type::Text),
            ("description", Type::Text),
            ("category", Type::Text),
            ("labels", Type::Set),
            ("price", Type::Decimal),
            ("weight_kg", Type::Float),
            ("stock", Type::Int),
            ("active", Type::Int),
            ("flags", Type::Bits),
            // JSON is an alias of LONGTEXT in MariaDB, and so Debezium has it as text.
            ("attributes", Type::Text),
            ("image", Type::Bytes),
            ("released", Type::Date),
            ("opens", Type::Time),
            ("created_at", Type::Instant),
            ("updated_at", Type::Local),
            ("made", Type::Int),
            ("rating", Type::Float),
        ],
    },
    Table {
        name: "translations",
        key: &["product_id", "locale"],
        columns: &[
            ("product_id", Type::Int),
            ("locale", Type::Text),
            ("title", Type::Text),
        ],
    },
];

impl Capture {
    /// The tables it has.
    pub(crate) fn tables(&self) -> &'static [Table] {
        match self.database {
            Database::Postgres => &POSTGRES,
            Database::Maria => &MARIA,
        }
    }

    /// The topic of a table.
    pub(crate) fn topic(&self, table: &Table) -> String {
        format!("{}.shop.{}", self.name, table.name)
    }

    /// The file of what its tables held at the end.
    pub(crate) fn dump(&self) -> &'static str {
        match self.database {
            Database::Postgres => "final_tables.json",
            Database::Maria => "final_tables_maria.json",
        }
    }

    /// The types to name for the columns of a table, as `rows.types` has them.
    fn type_hints(&self, table: &Table) -> Vec<(&'static str, &'static str)> {
        let hints: &[(&str, &str)] = match (self.encoding, self.database) {
            (Encoding::Schema | Encoding::Avro, _) => &[],
            (Encoding::Bare, Database::Postgres) => &[
                ("price", "decimal(2)"),
                ("attributes", "json"),
                ("image", "bytes"),
                ("released", "date"),
                ("opens", "time_micros"),
                ("updated_at", "timestamp_micros"),
            ],
            (Encoding::BareText, _) => &[
                ("price", "decimal"),
                ("list_price", "decimal"),
                ("attributes", "json"),
                ("image", "bytes"),
                ("released", "date"),
                ("opens", "time_micros"),
                ("updated_at", "timestamp_micros"),
            ],
            (Encoding::BareDoubles, _) => &[
                ("attributes", "json"),
                ("image", "bytes"),
                ("released", "date"),
                ("opens", "time_millis"),
                ("updated_at", "timestamp_millis"),
            ],
            (Encoding::Bare, Database::Maria) => &[
                ("labels", "set"),
                ("price", "decimal(2)"),
                ("flags", "bits"),
                ("image", "bytes"),
                ("released", "date"),
                ("opens", "time_micros"),
                ("updated_at", "timestamp_millis"),
            ],
        };
        hints
            .iter()
            .filter(|(hinted, _)| table.columns.iter().any(|(column, _)| column == hinted))
            .copied()
            .collect()
    }

    /// Its entries of `[[tables]]`.
    fn routes(&self) -> String {
        let mut toml = String::new();
        for table in self.tables() {
            let topic = self.topic(table);
            let document = match (table.name, self.database) {
                ("products", Database::Postgres) => {
                    // The title became the name, and the category went: both serve.
                    "columns = { product = [\"name\", \"title\"], category = \"\", description = \"description\" }\n\
                     payload = { exclude = [\"category\"], rename = { title = \"name\" } }\n"
                }
                ("products", Database::Maria) => "",
                ("nokey", _) => "template = \"{{ name }} {{ n }}\"\n",
                _ => "template = \"{{ title }}\"\n",
            };
            writeln!(
                toml,
                "[[tables]]\ntopics = [\"{topic}\"]\n[tables.document]\n{document}[tables.rows]"
            )
            .unwrap();
            if table.name == "nokey" {
                toml.push_str("key_columns = [\"name\"]\n");
            }
            let types: Vec<String> = self
                .type_hints(table)
                .into_iter()
                .map(|(column, hint)| format!("{column} = \"{hint}\""))
                .collect();
            writeln!(toml, "types = {{ {} }}\n", types.join(", ")).unwrap();
        }
        toml
    }
}

/// A configuration for these captures, without the servers' addresses.
pub(crate) fn configuration(captures: &[Capture]) -> String {
    let names: Vec<String> = captures
        .iter()
        .map(|capture| capture.name.to_owned())
        .collect();
    let routes: String = captures.iter().map(Capture::routes).collect();
    format!(
        r#"
[kafka]
topics = ["^(__debezium-heartbeat[.])?({})([.].*)?$"]
session_timeout = "5s"
[embed]
dimensions = 16
requests_per_minute = 0
retry_initial = "50ms"
retry_max = "500ms"
[index]
collection = "captures"
retry_initial = "50ms"
retry_max = "500ms"
[window]
quiet = "50ms"
max_hold = "500ms"
[registry]
retry_initial = "50ms"
retry_max = "500ms"
[commit]
interval = "50ms"
[pipeline]
drain_timeout = "2s"
shutdown_timeout = "3s"
[admin]
enabled = false
{routes}"#,
        names.join("|")
    )
}
