//! What the sections' own rules refuse, as the line that a user reads.

use super::{TOPICS, load};

/// The problems of a file that has topics and, beside them, this.
fn refused(text: &str) -> String {
    let text = format!("kafka.topics = [\"shop.public.products\"]\n{text}\n");
    match load(&text, &[]) {
        Ok(_) => String::new(),
        Err(lines) => lines
            .replace("vectide.toml:2: ", "")
            .replace("vectide.toml: ", ""),
    }
}

#[test]
fn the_defaults_break_no_rule_once_topics_are_named() {
    assert!(load(TOPICS, &[]).is_ok());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one rule a row")]
fn each_rule_says_what_is_wrong_and_what_would_be_right() {
    let rules = [
        (
            "kafka.brokers = \"a:1,,b:2\"",
            "kafka.brokers: must name the brokers as host:port, comma separated",
        ),
        ("kafka.group = \" \"", "kafka.group: must not be empty"),
        (
            "kafka.session_timeout = \"10ms\"",
            "kafka.session_timeout: must be from 1s to 1h (brokers accept 6s to 30m unless set otherwise)",
        ),
        (
            "kafka.properties.acks = 1",
            "kafka.properties.acks: is always all: the offset moves once the dead letter is safe on every replica",
        ),
        (
            "kafka.properties.group.id = \"x\"",
            "kafka.properties.group.id: is set by kafka.group",
        ),
        (
            "kafka.secret_properties.\"client.id\" = { env = \"X\" }",
            "kafka.secret_properties.client.id: is no property that holds a secret: set it in kafka.properties",
        ),
        (
            "registry.urls = [\"registry:8081\"]",
            "registry.urls: must begin with http:// or https://",
        ),
        (
            "registry.urls = [\"https://registry/?a=b\"]",
            "registry.urls: must end with its path, without query parameters",
        ),
        (
            "registry.username = \"me\"",
            "registry.username: needs registry.password beside it",
        ),
        (
            "registry.password = { env = \"X\" }",
            "registry.password: needs registry.username beside it",
        ),
        (
            "postgres.host = \"postgresql://db/shop\"",
            "postgres.host: is a URL; the parts of it have keys of their own: host, port, database, user",
        ),
        (
            "postgres = { tls = \"disable\", ca_file = \"/ca.pem\" }",
            "postgres.ca_file: has no effect with postgres.tls = \"disable\"",
        ),
        (
            "postgres.tables.shop-products = \"products\"",
            "postgres.tables.shop-products: \"products\" names no table: write schema.table, such as \"public.products\"",
        ),
        (
            "postgres.rows_per_second = 0",
            "postgres.rows_per_second: is 0; must be from 1 to 1000000",
        ),
        (
            "registry.timeout = \"0s\"",
            "registry.timeout: must be longer than nothing",
        ),
        (
            "window.version_column = \"\"",
            "window.version_column: must not be empty",
        ),
        (
            "document.template = \"a\\n{% if %}\"",
            "document.template: unexpected end of block (line 2 of the template)",
        ),
        (
            "document.columns = { product = \"\", category = \"\", description = \"\" }",
            "document.columns: names no column: there would be no text to embed",
        ),
        (
            "document.payload.rename = { a = \"x\", b = \"x\" }",
            "document.payload.rename.b: the field \"x\" has the column \"a\" already",
        ),
        (
            "document.payload.rename.a = \"_vectide\"",
            "document.payload.rename.a: \"_vectide\" is where Vectide keeps its own bookkeeping",
        ),
        (
            "document.payload = { exclude = [\"a\"], rename = { a = \"b\" } }",
            "document.payload.rename.a: renames a column that is left out",
        ),
        (
            "document.payload = { include = [\"a\"], exclude = [\"a\"] }",
            "document.payload.exclude: \"a\" is included, too",
        ),
        (
            "tables = [{}]",
            "tables[0].topics: missing: name the topics, of those in kafka.topics, whose tables these are",
        ),
        (
            "tables = [{ topics = [\"shop.orders\"] }]",
            "tables[0].topics: \"shop.orders\" is not read: name it in kafka.topics, too",
        ),
        (
            "tables = [{ topics = [\"^stock[.]\"] }]",
            "tables[0].topics: \"^stock[.]\" is not read: name it in kafka.topics, too",
        ),
        (
            "tables = [{ topics = [\"^shop[.](a|b\"] }]",
            "tables[0].topics: \"^shop[.](a|b\" is no pattern: unclosed group\ntables[0].topics: \"^shop[.](a|b\" is not read: name it in kafka.topics, too",
        ),
        (
            "tables = [{ topics = [\"^shop[.]\"] }, { topics = [\"shop.public.products\"] }]",
            "tables[1].topics: \"shop.public.products\" has tables[0] already, and the first entry counts",
        ),
        (
            "tables = [{ topics = [\"^shop[.]\"], collection = \"\" }]",
            "tables[0].collection: \"\" is no name for Qdrant: 1 to 255 bytes, without < > : \" / \\ | ? * and control characters",
        ),
        (
            "tables = [{ topics = [\"^shop[.]\"], document.columns = { product = \"\", category = \"\", description = \"\" } }]",
            "tables[0].document.columns: names no column: there would be no text to embed",
        ),
        (
            "embed.url = \"localhost\"",
            "embed.url: is no URL such as \"http://host:port\": relative URL without a base",
        ),
        (
            "embed.url = \"ftp://localhost\"",
            "embed.url: must begin with http:// or https://",
        ),
        (
            "embed.url = \"http://localhost/v1?api-version=1\"",
            "embed.url: must end with its path: give query parameters in embed.query",
        ),
        (
            "embed.url = \"http://me:hunter2@localhost\"",
            "embed.url: must not contain a user name or password: give the secret by reference, in a key of its own",
        ),
        ("embed.model = \"\"", "embed.model: must not be empty"),
        (
            "embed.dimensions = 0",
            "embed.dimensions: is 0; must be from 1 to 65536",
        ),
        (
            "embed.api_key_header = \"api key\"",
            "embed.api_key_header: \"api key\" is no header name",
        ),
        (
            "embed.concurrency = 0",
            "embed.concurrency: is 0; must be from 1 to 1024",
        ),
        (
            "embed.batch_inputs = 4096",
            "embed.batch_inputs: is 4096; must be from 1 to 2048",
        ),
        (
            "embed.batch_tokens = 1000",
            "embed.batch_tokens: is 1000, less than embed.max_input_tokens (8192): a text of that length would never be sent",
        ),
        (
            "embed.tokens_per_minute = 5000",
            "embed.tokens_per_minute: is 5000, less than embed.max_input_tokens (8192): a text of that length would never be sent",
        ),
        (
            "embed = { over_long = \"dead_letter\", max_input_tokens = 0 }",
            "embed.over_long: is dead_letter, which needs embed.max_input_tokens beside it: what is too long?",
        ),
        (
            "embed = { over_long = \"chunk\", max_input_tokens = 0 }",
            "embed.over_long: is chunk, which needs embed.max_input_tokens beside it: what is too long?",
        ),
        (
            "embed = { over_long = \"chunk\", max_input_tokens = 15 }",
            "embed.max_input_tokens: is 15: a chunk of less than 16 tokens says too little",
        ),
        (
            "embed = { over_long = \"chunk\", max_input_tokens = 64, chunk_overlap = 32 }",
            "embed.chunk_overlap: is 32, half of embed.max_input_tokens (64) or more",
        ),
        (
            "embed.chunk_overlap = 8",
            "embed.chunk_overlap: has no effect without embed.over_long = \"chunk\"",
        ),
        (
            "embed = { over_long = \"chunk\", max_chunks = 683 }",
            "embed.max_chunks: is 683; must be from 1 to 682, for Qdrant takes no larger point with embed.dimensions = 1536",
        ),
        (
            "embed.body.model = \"small\"",
            "embed.body.model: is set by embed.model",
        ),
        (
            "embed.query_body.model = \"small\"",
            "embed.query_body.model: is set by embed.model",
        ),
        (
            "embed.hedge_after = \"30s\"",
            "embed.hedge_after: must be shorter than embed.timeout, when a request is given up",
        ),
        (
            "embed.proxy.url = \"socks5://proxy\"",
            "embed.proxy.url: must begin with http:// or https://",
        ),
        (
            "embed.proxy = { username = \"me\", password = { env = \"PW\" } }",
            "embed.proxy.username: needs embed.proxy.url beside it",
        ),
        (
            "embed.proxy = { url = \"http://proxy:3128\", username = \"me\" }",
            "embed.proxy.username: needs embed.proxy.password beside it",
        ),
        (
            "embed.timeout = \"0s\"",
            "embed.timeout: must be longer than nothing",
        ),
        (
            "embed.retry_max = \"1ms\"",
            "embed.retry_max: is 1ms, less than embed.retry_initial (1s)",
        ),
        (
            "index.url = \"embedded:\"",
            "index.url: names no folder: write embedded:<folder>, or embedded to keep all in memory",
        ),
        (
            "index.url = \"https://q:6334\"\nindex.key_file = \"key.pem\"",
            "vectide.toml:3: index.key_file: needs index.certificate_file beside it",
        ),
        (
            "index.ca_file = \"ca.pem\"",
            "index.ca_file: has no effect without an https:// address in index.url",
        ),
        (
            "pipeline.park_after = \"0s\"",
            "pipeline.park_after: must be 1s or more; pipeline.parking = \"never\" turns parking off",
        ),
        (
            "index.collection = \"a/b\"",
            "index.collection: \"a/b\" is no name for Qdrant: 1 to 255 bytes, without < > : \" / \\ | ? * and control characters",
        ),
        (
            "index.vector = \"\"",
            "index.vector: \"\" is no name for Qdrant: 1 to 200 bytes, without < > : \" / \\ | ? * and control characters",
        ),
        (
            "index.batch_points = 0",
            "index.batch_points: is 0; must be from 1 to 10000",
        ),
        (
            "commit.interval = \"0s\"",
            "commit.interval: must be longer than nothing",
        ),
        (
            "dead_letter.topic = \"dead letters\"",
            "dead_letter.topic: \"dead letters\" is no topic name (letters, digits, `.`, `_` and `-`, at most 249 of them)",
        ),
        (
            "dead_letter.topic = \"shop.public.products\"",
            "dead_letter.topic: \"shop.public.products\" would be read as change events: kafka.topics has \"shop.public.products\"",
        ),
        (
            "dead_letter.partitions = 0",
            "dead_letter.partitions: is 0; must be from 1 to 10000",
        ),
        (
            "dead_letter.replication_factor = 0",
            "dead_letter.replication_factor: must be 1 or more, or -1 for the broker's default",
        ),
        (
            "pipeline.budget = \"64KiB\"",
            "pipeline.budget: is 64KiB; must be 1MiB or more, so that records fit in",
        ),
        (
            "pipeline.drain_timeout = \"5m\"",
            "pipeline.drain_timeout: must be 150s or less: the group waits for it in every rebalance",
        ),
        (
            "admin.address = \"localhost:9464\"",
            "admin.address: invalid socket address syntax",
        ),
        (
            "log.level = \"vectide=lots\"",
            "log.level: \"vectide=lots\" can't be read: error parsing level filter: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
        ),
    ];
    let wrong: Vec<_> = rules
        .iter()
        .map(|(text, line)| (*text, *line, refused(text)))
        .filter(|(_, line, refused)| line != refused)
        .collect();
    assert!(wrong.is_empty(), "(text, expected, found): {wrong:#?}");
}

#[test]
fn topics_are_names_or_patterns_and_named_once() {
    let lines = load(
        r#"kafka.topics = ["a b", "shop", "shop", "^shop\\.(a|b", "^shop\\.\\d+$"]"#,
        &[],
    )
    .unwrap_err();
    assert_eq!(
        lines,
        "\
vectide.toml:1: kafka.topics: \"^shop\\\\.(a|b\" is no pattern: unclosed group
vectide.toml:1: kafka.topics: \"^shop\\\\.\\\\d+$\" is no pattern: POSIX extended regular expressions have no `\\d` (write [0-9] for a digit)
vectide.toml:1: kafka.topics: \"a b\" is no topic name (letters, digits, `.`, `_` and `-`, at most 249 of them); a pattern starts with ^
vectide.toml:1: kafka.topics: \"shop\" is named twice"
    );
}

#[test]
fn a_pattern_that_would_read_the_dead_letters_back_is_refused() {
    assert_eq!(
        load("kafka.topics = [\"^.*\"]\n", &[]).unwrap_err(),
        "vectide.toml: dead_letter.topic: \"vectide.dead-letters\" would be read as change events: \
         kafka.topics has \"^.*\""
    );
}

#[test]
fn sasl_needs_its_mechanism_and_credentials() {
    assert_eq!(
        refused("kafka.security.protocol = \"sasl_ssl\""),
        "kafka.security.mechanism: missing: the protocol sasl_ssl needs one"
    );
    assert_eq!(
        refused("kafka.security = { protocol = \"sasl_ssl\", mechanism = \"PLAIN\" }"),
        "\
kafka.security.password: missing: the mechanism PLAIN needs it
kafka.security.username: missing: the mechanism PLAIN needs it"
    );
    assert_eq!(
        refused("kafka.security.mechanism = \"PLAIN\""),
        "kafka.security.mechanism: has no effect with the protocol plaintext: use sasl_ssl or sasl_plaintext"
    );
    assert_eq!(
        refused(
            "kafka.security = { protocol = \"sasl_ssl\", mechanism = \"OAUTHBEARER\", \
             username = \"me\", oauthbearer_token = { env = \"X\" } }"
        ),
        "kafka.security.username: has no effect with the mechanism OAUTHBEARER"
    );
}

#[test]
fn certificates_need_an_encrypted_protocol_and_come_with_their_key() {
    assert_eq!(
        refused("kafka.security.ca_file = \"/ca.pem\""),
        "kafka.security.ca_file: has no effect with the protocol plaintext: use ssl or sasl_ssl"
    );
    assert_eq!(
        refused("kafka.security = { protocol = \"ssl\", certificate_file = \"/me.pem\" }"),
        "kafka.security.certificate_file: needs kafka.security.key_file beside it"
    );
}

#[test]
fn what_can_not_be_a_collector_of_traces_is_refused() {
    for (setting, problem) in [
        (
            "traces.ratio = 1.5",
            "traces.ratio: is 1.5; must be from 0 to 1",
        ),
        (
            "traces.ratio = nan",
            "traces.ratio: is NaN; must be from 0 to 1",
        ),
        (
            "traces.endpoint = \"collector:4317\"",
            "traces.endpoint: must begin with http:// or https://",
        ),
        (
            "traces.headers.\"X Y\" = { env = \"A\" }",
            "traces.headers.X Y: is no header's name",
        ),
    ] {
        let said = refused(setting);
        assert!(said.contains(problem), "{said}");
    }
}
