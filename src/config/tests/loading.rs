use std::time::Duration;

use super::{TOPICS, load};
use crate::config::{Config, ConfigFile, Flag, SecretRef, Sources};

#[test]
fn a_file_wrong_in_five_places_shows_five_lines() {
    let text = r#"
[kafka]
brokerz = "kafka:9092"
topics = ["shop.public.products"]

[window]
quiet = "5 parsecs"

[embed]
dimensions = "many"
api_key = "sk-live-123"

[index]
distance = "cosinus"
"#;
    assert_eq!(
        load(text, &[]).unwrap_err(),
        "\
vectide.toml:3: kafka.brokerz: unknown key; did you mean `brokers`?
vectide.toml:7: window.quiet: \"5 parsecs\" is no duration such as \"5s\" or \"250ms\": unknown time unit \"parsecs\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)
vectide.toml:10: embed.dimensions: invalid type: string \"many\", expected a whole number, 0 or more
vectide.toml:11: embed.api_key: a secret is given by reference, { env = \"NAME\" } or { file = \"/path\" }, never as text
vectide.toml:14: index.distance: unknown variant `cosinus`, expected one of `cosine`, `dot`, `euclid`, `manhattan`"
    );
}

#[test]
fn syntax_errors_come_with_line_and_column_and_hide_nothing_else() {
    let text = "[kafka]\ngroup = \ntopics = 5\n[windw]\nquiet = \"5s\"\n";
    assert_eq!(
        load(text, &[]).unwrap_err(),
        "\
vectide.toml:2:9: this is not TOML: string values must be quoted, expected literal string
vectide.toml:3: kafka.topics: invalid type: integer `5`, expected a list
vectide.toml:4: windw: unknown key; did you mean `window`?"
    );
}

#[test]
fn an_empty_file_lacks_only_the_topics() {
    assert_eq!(
        load("", &[]).unwrap_err(),
        "vectide.toml: kafka.topics: missing: name the change topics to read, such as \
         [\"shop.public.products\"]"
    );
}

#[test]
fn a_command_that_needs_some_keys_is_not_held_up_by_the_rules_of_others() {
    let load = |variable: &str, value: &str| {
        let sources = Sources {
            environment: vec![(variable.into(), value.into())],
            ..Sources::default()
        };
        let only_documents = sources.load_for(|key| key.starts_with("document"));
        only_documents.map_err(|problems| problems.to_string())
    };
    assert!(load("VECTIDE__EMBED__URL", "nowhere").is_ok());
    let error = load("VECTIDE__DOCUMENT__TEMPLATE", "{{").unwrap_err();
    assert!(error.contains("VECTIDE__DOCUMENT__TEMPLATE"), "{error}");
    // What can't be read might have been anything.
    assert!(load("VECTIDE__EMBED__DIMENSIONS", "many").is_err());
}

#[test]
fn a_named_file_that_is_absent_is_one_clear_line() {
    let sources = Sources {
        file: ConfigFile::Named("/nowhere/vectide.toml".into()),
        ..Sources::default()
    };
    assert_eq!(
        sources.load().unwrap_err().to_string(),
        "/nowhere/vectide.toml: there is no such file"
    );
}

#[test]
fn without_any_file_the_environment_is_enough() {
    let sources = Sources {
        file: ConfigFile::IfPresent("/nowhere/vectide.toml".into()),
        environment: vec![("VECTIDE__KAFKA__TOPICS".into(), "a,b".into())],
        ..Sources::default()
    };
    assert_eq!(sources.load().unwrap().kafka.topics, ["a", "b"]);
}

#[test]
fn where_something_is_missing_and_there_is_no_file_it_says_so_first() {
    let sources = Sources {
        file: ConfigFile::IfPresent("/nowhere/vectide.toml".into()),
        ..Sources::default()
    };
    assert_eq!(
        sources.load().unwrap_err().to_string(),
        "/nowhere/vectide.toml: there is no such file, and neither --config nor VECTIDE_CONFIG names another\n\
         kafka.topics: missing: name the change topics to read, such as [\"shop.public.products\"]"
    );
}

#[test]
fn what_is_not_said_keeps_its_default() {
    let mut expected = Config::default();
    expected.kafka.topics = vec!["shop.public.products".into()];
    expected.window.quiet = Duration::from_millis(250);
    let text = format!("{TOPICS}[window]\nquiet = \"250ms\"\n");
    assert_eq!(load(&text, &[]).unwrap(), expected);
}

#[test]
fn what_is_printed_is_read_back_equal() {
    let text = format!(
        "{TOPICS}
        [kafka.security]
        protocol = \"sasl_ssl\"
        mechanism = \"SCRAM-SHA-512\"
        username = \"vectide\"
        password = {{ file = \"/run/secrets/kafka\" }}
        [document.columns]
        product = \"\"
        category = [\"category\", \"kind\"]
        [embed]
        requests_per_minute = 0
        [index.payload_indexes]
        price = \"float\""
    );
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.document.columns.product, None);
    assert_eq!(
        config.document.columns.category,
        Some(["category", "kind"].into())
    );
    assert_eq!(config.embed.requests_per_minute, None);
    assert_eq!(
        config.kafka.security.password,
        Some(SecretRef::File("/run/secrets/kafka".into()))
    );
    let printed = toml::to_string_pretty(&config).unwrap();
    assert_eq!(load(&printed, &[]).unwrap(), config);
}

#[test]
fn a_value_where_a_section_belongs_and_the_reverse_are_told() {
    assert_eq!(
        load("window = 5\n[kafka.topics]\na = 1\n", &[]).unwrap_err(),
        "\
vectide.toml:1: window: is a table ([window]), not a value of type integer
vectide.toml:2: kafka.topics: invalid type: map, expected a list"
    );
}

#[test]
fn librdkafka_properties_may_be_written_bare_and_as_numbers() {
    let text = format!(
        "{TOPICS}[kafka.properties]\nfetch.min.bytes = 1\n\"client.id\" = \"shop\"\ncheck.crcs = true\n"
    );
    let properties = load(&text, &[]).unwrap().kafka.properties;
    assert_eq!(properties["fetch.min.bytes"], "1");
    assert_eq!(properties["client.id"], "shop");
    assert_eq!(properties["check.crcs"], "true");
}

#[test]
fn an_option_of_the_command_line_wins_and_is_named_when_wrong() {
    let flag = |value: &str| Sources {
        environment: vec![
            ("VECTIDE__KAFKA__TOPICS".into(), "a".into()),
            ("VECTIDE__LOG__LEVEL".into(), "warn".into()),
        ],
        flags: vec![Flag {
            name: "--log-level",
            key: "log.level",
            value: value.into(),
        }],
        ..Sources::default()
    };
    assert_eq!(flag("debug").load().unwrap().log.level, "debug");
    assert_eq!(
        flag("inof").load().unwrap_err().to_string(),
        "--log-level: \"inof\" is no level (off, error, warn, info, debug, trace); a module takes \
         one: inof=debug"
    );
}

#[test]
fn a_file_that_is_not_text_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vectide.toml");
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    let sources = Sources {
        file: ConfigFile::Named(path.clone()),
        ..Sources::default()
    };
    assert_eq!(
        sources.load().unwrap_err().to_string(),
        format!("{}: is not valid UTF-8", path.display())
    );
}
