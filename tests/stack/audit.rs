//! `vectide audit --source postgres`: the table itself against the index.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::{
    DeletePointsBuilder, NamedVectors, PointId, PointStruct, ScrollPointsBuilder,
    SetPayloadPointsBuilder, UpsertPointsBuilder,
};
use serde_json::Value as Json;

use crate::VECTIDE;
use crate::connect::{Dialect, Settings};
use crate::group::{DIMENSIONS, Group};
use crate::load::Load;
use crate::postgres::Postgres;
use crate::process::{Program, free_port};
use crate::runtime::block_on;
use crate::servers::Servers;
use crate::stand_ins::StandIns;
use crate::table;
use crate::wait::until;
use crate::workspace::{Workspace, in_workspace, text};

const PRODUCTS: &str = "shop.public.products";
/// The table of all types, as two connectors write it.
const TYPES: [&str; 2] = ["shop.public.everything", "modes.public.everything"];

/// A table of all types, and the role that audits.
const EVERYTHING: &str = "
    CREATE EXTENSION hstore;
    CREATE EXTENSION citext;
    CREATE TYPE mood AS ENUM ('calm', 'keen');
    CREATE DOMAIN code AS varchar(12);
    CREATE TABLE everything (
        part text, id bigint, title text NOT NULL, small smallint, whole integer, flag boolean, single real, double double precision,
        fixed numeric(10, 2), free numeric, cash money, day date, moment timestamp, moment3 timestamp(3), zoned timestamptz,
        clock time, zoned_clock timetz, span interval, raw bytea, bits bit(12), one_bit bit(1), more_bits varbit, doc json, docb jsonb,
        pairs hstore, mood mood, code code, uid uuid, address inet, net cidr, mac macaddr, padded char(6), folded citext, markup xml,
        words text[], numbers integer[], amounts numeric(8, 2)[], days date[], spot point, range int4range, PRIMARY KEY (id, part));
    INSERT INTO everything SELECT 'p''' || n % 3, n, 'Thing no. ' || n, n, n * 1000, n % 2 = 0, n / 7.0, n / 3.0,
        n * 1.10, n * 1.250, (n * 100.5)::numeric::money, date '2024-02-29' + n, timestamp '2026-01-02 03:04:05.678901' + n * interval '1 s 10 us',
        timestamp '2026-01-02 03:04:05.678' + n * interval '1 s', timestamptz '2026-01-02 03:04:05.6789+02' + n * interval '10 us',
        time '03:04:05.678901' + n * interval '10 us', timetz '03:04:05.5+02', make_interval(n % 3, n % 12, 0, n % 30, n % 24, n % 60, n * 1.5),
        decode(md5(n::text), 'hex'), n::bit(12), (n % 2)::bit(1), n::bit(9)::varbit, json_build_object('z', n, 'a', ARRAY[n, null]),
        jsonb_build_object('n', n * 0.5, 's', 'x'), hstore(ARRAY['k', n::text, 'none', NULL]), (ARRAY['calm', 'keen']::mood[])[n % 2 + 1], 'C-' || n,
        md5(n::text)::uuid, ('10.0.0.' || n)::inet, '10.1.0.0/16', '08:00:2b:01:02:03', 'ab', 'Folded ' || n, '<a>1</a>',
        ARRAY['a,b', 'say \"x\"', NULL, 'w' || n], ARRAY[n, NULL, -n], ARRAY[n * 1.25, 2.5], ARRAY[date '2024-02-29' + n], point(n / 3.0, n),
        int4range(n, n + 5) FROM generate_series(1, 60) n;
    INSERT INTO everything (part, id, title) VALUES ('nothing', 100, 'Nothing but a title');
    ALTER PUBLICATION vectide ADD TABLE everything;
    GRANT SELECT ON everything TO debezium;
    CREATE ROLE auditor LOGIN;
    GRANT SELECT ON products, everything TO auditor;";

/// Another connector, whose settings are others wherever they can be.
const MODES: [(&str, &str); 5] = [
    ("table.include.list", "public.everything"),
    ("decimal.handling.mode", "double"),
    ("time.precision.mode", "connect"),
    ("interval.handling.mode", "string"),
    ("binary.handling.mode", "hex"),
];

/// What the audit of each topic told.
struct Audited {
    code: Option<i32>,
    topics: BTreeMap<String, Json>,
}

impl Audited {
    fn topic(&self, topic: &str) -> Result<&Json> {
        self.topics
            .get(topic)
            .with_context(|| format!("no {topic}"))
    }

    /// How many differ in which way, but for the ways in which none does.
    fn drift(&self, topic: &str) -> Result<BTreeMap<&str, i64>> {
        let drift = self.topic(topic)?["drift"]
            .as_object()
            .context("no drift")?;
        let counts = drift
            .iter()
            .filter_map(|(kind, count)| Some((kind.as_str(), count.as_i64()?)));
        Ok(counts.filter(|(_, count)| *count > 0).collect())
    }

    fn expect_equal(&self) -> Result<()> {
        for (topic, told) in &self.topics {
            ensure!(self.drift(topic)?.is_empty(), "{told:#}");
        }
        ensure!(self.code == Some(0), "ended with {:?}", self.code);
        Ok(())
    }
}

fn audit(file: &str, arguments: &[&str]) -> Result<Audited> {
    let command = [
        VECTIDE, "audit", "--source", "postgres", "--json", "--config", file,
    ];
    let command = [&command, arguments].concat();
    let output = Program::new("audit", &command).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json: Json = serde_json::from_str(&text)
        .with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
    let topics = json.get("topics").and_then(Json::as_array);
    let topics = topics.context("no topics")?.iter().map(|told| {
        let topic = told.get("topic").and_then(Json::as_str);
        (topic.unwrap_or_default().to_owned(), told.clone())
    });
    Ok(Audited {
        code: output.status.code(),
        topics: topics.collect(),
    })
}

/// The configuration of a member, and of the audit, of all three topics.
fn configuration(group: Group, servers: &Servers, base: &str) -> Result<String> {
    let member = std::fs::read_to_string(base)?;
    let [types, modes] = TYPES;
    let topics = format!("topics = [\"{PRODUCTS}\", \"{types}\", \"{modes}\"]");
    let member = member.replace(
        &format!("topics = [\"{}\"]", group.dialect.topic()),
        &topics,
    );
    let table = |topic: &str, collection: &str| {
        format!(
            "\n[[tables]]\ntopics = [\"{topic}\"]\ncollection = \"{collection}\"\n\
             [tables.document.columns]\nproduct = \"title\"\ncategory = \"code\"\ndescription = \"free\"\n"
        )
    };
    let port = servers.postgres.port();
    let postgres = format!(
        "\n[postgres]\nhost = \"127.0.0.1\"\nport = {port}\ndatabase = \"postgres\"\nuser = \"auditor\"\ntls = \"disable\"\npage_rows = 100\n"
    );
    let tables = table(types, "everything") + &table(modes, "modes");
    Ok(member + &postgres + &tables)
}

/// Takes a point away, changes another's payload, and adds a copy of a third.
fn tamper(url: &str, collection: &str) -> Result<()> {
    block_on(async {
        let client = Qdrant::from_url(url).skip_compatibility_check().build()?;
        let all = ScrollPointsBuilder::new(collection)
            .limit(200)
            .with_payload(true);
        let points = client.scroll(all).await?.result;
        let is_row =
            |point: &qdrant_client::qdrant::RetrievedPoint| point.payload.contains_key("sku");
        let mut rows = points.into_iter().filter(is_row);
        let mut next = || rows.next().context("too few points");
        let (gone, changed, copied) = (next()?, next()?, next()?);
        let id = |id: Option<PointId>| id.context("no id");
        let delete = DeletePointsBuilder::new(collection).points(vec![id(gone.id)?]);
        client.delete_points(delete.wait(true)).await?;
        let stock = [("stock".to_owned(), 987_654_i64.into())];
        let change = SetPayloadPointsBuilder::new(collection, stock);
        let change = change.points_selector(vec![id(changed.id)?]);
        client.set_payload(change.wait(true)).await?;
        let vectors = NamedVectors::default().add_vector("text", vec![0.5; DIMENSIONS]);
        let copy = PointStruct::new(
            "00000000-0000-4000-8000-000000004711",
            vectors,
            copied.payload,
        );
        let upsert = UpsertPointsBuilder::new(collection, vec![copy]);
        client.upsert_points(upsert.wait(true)).await?;
        Ok(())
    })
}

/// Has the server speak TLS, with a certificate of its own making, and returns where that is.
fn encrypt(workspace: &Workspace, postgres: &Postgres) -> Result<String> {
    let (key, certificate) = (
        text(&workspace.path("postgres/server.key"))?,
        text(&workspace.path("postgres/server.crt"))?,
    );
    let make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        &key,
        "-out",
        &certificate,
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    Program::new("openssl", &make).run()?;
    let home = std::fs::metadata(workspace.path("postgres"))?;
    std::os::unix::fs::chown(&key, Some(home.uid()), None)?;
    postgres.query(&format!("ALTER SYSTEM SET ssl_cert_file = '{certificate}'"))?;
    postgres.query(&format!("ALTER SYSTEM SET ssl_key_file = '{key}'"))?;
    postgres.query("ALTER SYSTEM SET ssl = on")?;
    postgres.query("SELECT pg_reload_conf()")?;
    let is_on = || Ok((postgres.query("SHOW ssl")?.trim() == "on").then_some(()));
    until("PostgreSQL to speak TLS", Duration::from_secs(10), is_on)?;
    Ok(certificate)
}

#[test]
#[ignore = "needs servers: make test-stack"]
#[allow(
    clippy::too_many_lines,
    reason = "one story, whose servers take longer to start than it to tell"
)]
fn the_table_itself_tells_what_differs_and_nothing_else_also_under_load() -> Result<()> {
    in_workspace(|workspace| {
        let group = Group {
            dialect: Dialect::WithSchemas,
        };
        let mut servers = Servers::start(workspace)?;
        let stand_ins = StandIns::start(workspace)?;
        let mut load = Load::open(&servers.postgres, workspace, 5)?;
        table::create(&servers.postgres)?;
        servers.postgres.query(EVERYTHING)?;
        load.fill(1_000)?;
        let both = [("table.include.list", "public.products,public.everything")];
        for (prefix, settings) in [("shop", &both[..]), ("modes", &MODES[..])] {
            let settings: Settings = settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            servers
                .connect
                .register_with(workspace, &servers.postgres, prefix, &settings)?;
        }
        let base = group.configure("base", workspace, &servers.kafka, &stand_ins, free_port()?)?;
        let configuration = configuration(group, &servers, &base)?;
        let file = workspace.write("audited.toml", &configuration)?;
        let mut member = Program::new("member", &[VECTIDE, "run", "--config", &file])
            .start(&workspace.logs())?;
        let at_rest = |member: &mut crate::process::Process| {
            until("the group to be at rest", Duration::from_mins(2), || {
                member.expect_running()?;
                for topic in [PRODUCTS, TYPES[0], TYPES[1]] {
                    if servers.kafka.lag(topic, &group.name())? != Some(0) {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })
        };
        at_rest(&mut member)?;

        let audited = audit(&file, &[])?;
        for (topic, told) in &audited.topics {
            println!(
                "{topic}: {} rows, {} points, {} in part, unsure: {}",
                told["rows"], told["points"], told["partly"], told["unsure"]
            );
        }
        audited.expect_equal()?;
        ensure!(audited.topic(PRODUCTS)?["rows"] == 1_005);
        ensure!(audited.topic(PRODUCTS)?["unsure"] == Json::Array(Vec::new()));
        for topic in TYPES {
            ensure!(audited.topic(topic)?["rows"] == 61, "{topic}");
        }

        // Encrypted, it wants a certificate of an authority that it knows.
        let certificate = encrypt(workspace, &servers.postgres)?;
        let verified = configuration.replace("\ntls = \"disable\"", "");
        let verified = workspace.write("verified.toml", &verified)?;
        let refused = [
            VECTIDE, "audit", "--source", "postgres", "--config", &verified,
        ];
        let refused = Program::new("audit", &refused).output()?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(
            refused.status.code() == Some(1) && said.contains("certificate"),
            "{said}"
        );
        let known = format!("\nca_file = \"{certificate}\"");
        let known = configuration.replace("\ntls = \"disable\"", &known);
        let known = workspace.write("known.toml", &known)?;
        audit(&known, &["--topic", PRODUCTS])?.expect_equal()?;

        // Nothing is in flight that is taken for a difference.
        let audited = std::thread::scope(|scope| {
            let audit = scope.spawn(|| audit(&file, &["--topic", PRODUCTS, "--settle", "20s"]));
            while !audit.is_finished() {
                load.run(10)?;
            }
            audit.join().expect("the audit does not panic")
        })?;
        println!(
            "under {} transactions: {:#}",
            load.transactions,
            audited.topic(PRODUCTS)?
        );
        audited.expect_equal()?;
        at_rest(&mut member)?;

        tamper(&stand_ins.qdrant_url(), &group.collection())?;
        let expected: BTreeMap<&str, i64> = [("missing", 1), ("payload", 1), ("extra", 1)].into();
        let audited = audit(&file, &["--topic", PRODUCTS])?;
        ensure!(
            audited.drift(PRODUCTS)? == expected,
            "{:#}",
            audited.topic(PRODUCTS)?
        );
        ensure!(audited.code == Some(3));
        let audited = audit(&file, &["--topic", PRODUCTS, "--repair"])?;
        ensure!(audited.code == Some(0), "{:#}", audited.topic(PRODUCTS)?);
        at_rest(&mut member)?;
        audit(&file, &["--topic", PRODUCTS])?.expect_equal()?;

        // What the connector does not see is told, and can't be mended from the topic.
        servers.postgres.query(
            "ALTER PUBLICATION vectide DROP TABLE products;
            INSERT INTO products (id, sku, title, category, price, stock) VALUES (900, 'NOT-900', 'Unpublished tent', 'Outdoor', 1, 1)",
        )?;
        let audited = audit(&file, &["--topic", PRODUCTS, "--settle", "3s", "--repair"])?;
        let told = audited.topic(PRODUCTS)?;
        ensure!(audited.code == Some(3), "{told:#}");
        ensure!(
            audited.drift(PRODUCTS)? == [("missing", 1)].into(),
            "{told:#}"
        );
        let finding = &told["findings"][0];
        ensure!(
            finding["key"] == "[900]" && finding["in_topic"] == false,
            "{told:#}"
        );
        member.ask_to_stop()?;
        member.wait_for_exit(Duration::from_secs(10))?;
        Ok(())
    })
}
