use super::load;

const TWO: &str = "\
[kafka]
topics = [\"shop.products\", \"shop.brands\", \"^stock[.]\"]

[[tables]]
topics = [\"shop.brands\"]
collection = \"brands\"

[tables.document]
template = \"{{ name }}\"

[[tables]]
topics = [\"^stock[.]\"]
";

#[test]
fn an_entry_takes_the_place_of_what_it_names_and_leaves_the_rest() {
    let config = load(TWO, &[]).unwrap();
    let sections = config.table_sections();
    let [brands, stock, rest] = sections.as_slice() else {
        panic!("{sections:?}");
    };
    assert_eq!(brands.collection, "brands");
    assert_eq!(brands.collection_key(), "tables[0].collection");
    assert_eq!(brands.document.template.as_deref(), Some("{{ name }}"));
    assert_eq!(brands.document_key(), "tables[0].document");
    assert_eq!(stock.collection, config.index.collection);
    assert_eq!(stock.collection_key(), "index.collection");
    assert_eq!(
        (stock.document, stock.document_key().as_str()),
        (&config.document, "document")
    );
    assert_eq!((rest.topics, rest.entry), (&[][..], None));
}

#[test]
fn tables_are_printed_so_that_they_are_read_back_equal() {
    let config = load(TWO, &[]).unwrap();
    let printed = toml::to_string_pretty(&config).unwrap();
    assert_eq!(load(&printed, &[]).unwrap(), config);
}

#[test]
fn problems_have_the_line_of_the_entry_that_they_are_in() {
    let text = "\
kafka.topics = [\"shop.products\"]

[[tables]]

[[tables]]
topics = [\"shop.products\"]
colection = \"a\"
document.columns.product = 5
";
    assert_eq!(
        load(text, &[]).unwrap_err(),
        "\
vectide.toml:3: tables[0].topics: missing: name the topics, of those in kafka.topics, whose tables these are
vectide.toml:7: tables[1].colection: unknown key; did you mean `collection`?
vectide.toml:8: tables[1].document.columns.product: invalid type: integer `5`, expected a column's name, or a list of names"
    );
}

#[test]
fn what_is_no_list_of_tables_is_told() {
    for (text, line) in [
        (
            "[tables]\ntopics = []",
            "vectide.toml:1: tables: is a list of tables: write [[tables]] above each",
        ),
        (
            "tables = [5]",
            "vectide.toml:1: tables[0]: is a table, not a value of type integer",
        ),
    ] {
        let lines = load(text, &[]).unwrap_err();
        assert_eq!(lines.lines().find(|it| it.contains("tables")), Some(line));
    }
}

#[test]
fn the_environment_sets_all_of_them_at_once() {
    let topics = ("VECTIDE__KAFKA__TOPICS", "a,b");
    let tables = "[{ topics = [\"b\"], collection = \"c\" }]";
    let config = load("", &[topics, ("VECTIDE__TABLES", tables)]).unwrap();
    assert_eq!(config.tables[0].collection.as_deref(), Some("c"));
    for (name, text, line) in [
        (
            "VECTIDE__TABLES",
            "b",
            "environment VECTIDE__TABLES: expected a list of tables, such as [{ topics = [\"shop.orders\"] }]",
        ),
        (
            "VECTIDE__TABLES",
            "[{}]",
            "environment VECTIDE__TABLES: missing: name the topics, of those in kafka.topics, whose tables these are",
        ),
        (
            "VECTIDE__TABLES__0__TOPICS",
            "b",
            "environment VECTIDE__TABLES__0__TOPICS: is set as a whole, as VECTIDE__TABLES",
        ),
    ] {
        assert_eq!(load("", &[topics, (name, text)]).unwrap_err(), line);
    }
}

#[test]
fn keys_as_ids_are_for_one_table_in_a_collection() {
    let refused = |tables: &str| {
        let text =
            format!("kafka.topics = [\"a\", \"b\"]\ndocument.point_id = \"integer\"\n{tables}\n");
        load(&text, &[]).err()
    };
    let collide = "whose rows would overwrite each other";
    assert!(refused("").is_some_and(|lines| {
        lines.starts_with("vectide.toml:2: document.point_id: is \"integer\" for \"a\" and \"b\"")
            && lines.contains(collide)
    }));
    let own_collection = "tables = [{ topics = [\"b\"], collection = \"c\" }]";
    assert_eq!(refused(own_collection), None);
    let own_ids = "tables = [{ topics = [\"b\"], document.point_id = \"uuid5\" }]";
    assert_eq!(refused(own_ids), None);
    let both = "tables = [{ topics = [\"b\"], document.point_id = \"integer\" }]";
    assert!(refused(both).is_some_and(|lines| lines.contains(collide)));
}
