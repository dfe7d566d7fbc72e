#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn row(columns: &[(&str, Value)]) -> Row {
    Row::new(
        columns
            .iter()
            .map(|(name, value)| (Arc::from(*name), value.clone()))
            .collect(),
    )
}

fn text(value: &str) -> Value {
    Value::String(value.into())
}

fn tent() -> Row {
    row(&[
        ("id", Value::Int(1)),
        ("title", text("Tent")),
        ("category", text("camping")),
        ("price", Value::Decimal("39.90".into())),
        ("description", Value::Null),
        ("stock", Value::Int(3)),
        ("updated_at", Value::Int(1_700_000_000)),
    ])
}

fn with(row: &Row, column: &str, value: &Value) -> Row {
    Row::new(
        row.columns()
            .iter()
            .map(|(name, old)| {
                let new = if **name == *column { value } else { old };
                (name.clone(), new.clone())
            })
            .collect(),
    )
}

fn build(config: &DocumentConfig, row: &Row) -> Result<Document, Failure> {
    let key = RowKey::from_canonical("[1]");
    DocumentBuilder::new(config, None)
        .unwrap()
        .build_with_text(&key, row)
}

#[test]
fn the_default_text_labels_what_is_there_and_leaves_out_what_is_null() {
    let document = build(&DocumentConfig::default(), &tent()).unwrap();
    assert_eq!(&*document.text, "Product: Tent\nCategory: camping");
}

#[test]
fn the_price_enters_the_text_only_when_asked_for() {
    let mut config = DocumentConfig::default();
    config.columns.price = Some("price".into());
    let document = build(&config, &tent()).unwrap();
    assert_eq!(
        &*document.text,
        "Product: Tent\nCategory: camping\nPrice: 39.90"
    );
}

#[test]
fn a_change_of_stock_changes_the_payload_and_not_the_text() {
    let config = DocumentConfig::default();
    let before = build(&config, &tent()).unwrap();
    let after = build(&config, &with(&tent(), "stock", &Value::Int(0))).unwrap();
    assert_eq!(before.text_hash, after.text_hash);
    assert_ne!(before.payload_hash, after.payload_hash);
}

#[test]
fn an_ignored_column_alone_changes_nothing_but_is_kept() {
    let config = DocumentConfig {
        ignore: vec!["updated_at".into()],
        ..DocumentConfig::default()
    };
    let before = build(&config, &tent()).unwrap();
    let after = build(&config, &with(&tent(), "updated_at", &Value::Int(9))).unwrap();
    assert_eq!(before.payload_hash, after.payload_hash);
    assert_eq!(after.payload.get("updated_at"), Some(&Value::Int(9)));
}

#[test]
fn a_missing_column_is_told_from_a_null_one() {
    let failure = build(&DocumentConfig::default(), &row(&[("title", text("Tent"))])).unwrap_err();
    assert_eq!(failure.reason, "missing_column");
    assert!(failure.message.contains("category"), "{}", failure.message);
}

#[test]
fn a_column_may_have_several_names_of_which_the_first_that_is_there_counts() {
    let mut config = DocumentConfig::default();
    config.columns.product = Some(["name", "title"].into());
    let old = build(&config, &tent()).unwrap();
    assert_eq!(&*old.text, "Product: Tent\nCategory: camping");
    let mut columns = tent().columns().to_vec();
    columns.push(("name".into(), text("Yurt")));
    let new = build(&config, &Row::new(columns)).unwrap();
    assert_eq!(&*new.text, "Product: Yurt\nCategory: camping");
}

#[test]
fn an_optional_column_that_is_missing_counts_as_null() {
    let mut config = DocumentConfig {
        optional: vec!["category".into(), "description".into()],
        ..DocumentConfig::default()
    };
    config.payload.include = vec!["title".into(), "category".into()];
    let document = build(&config, &row(&[("title", text("Tent"))])).unwrap();
    assert_eq!(&*document.text, "Product: Tent");
    assert_eq!(document.payload.get("category"), Some(&Value::Null));
    let null = row(&[("title", text("Tent")), ("category", Value::Null)]);
    assert_eq!(build(&config, &null).unwrap(), document);
}

#[test]
fn a_needed_column_that_is_missing_is_no_fault_of_the_record_and_says_what_to_do() {
    let bare = row(&[("title", text("Tent"))]);
    let said = |config: &DocumentConfig| {
        let key = RowKey::from_canonical("[1]");
        let mut builder = DocumentBuilder::of_section("tables[1].document", config, None).unwrap();
        let failure = builder.build_with_text(&key, &bare).unwrap_err();
        assert_eq!(failure.disposition, crate::error::Disposition::Blocked);
        failure.message
    };
    let mut config = DocumentConfig::default();
    config.columns.category = Some(["category", "kind"].into());
    assert_eq!(
        said(&config),
        "column `category` or `kind` is missing; name another in tables[1].document.columns or list it in tables[1].document.optional"
    );
    config.template = Some("{{ title }} by {{ brand }}".into());
    assert_eq!(
        said(&config),
        "column `brand` is missing; name another in tables[1].document.template or list it in tables[1].document.optional"
    );
    config.template = Some("{{ title }}".into());
    config.payload.include = vec!["title".into(), "price".into()];
    assert_eq!(
        said(&config),
        "column `price` is missing; name another in tables[1].document.payload.include or list it in tables[1].document.optional"
    );
}

#[test]
fn a_renamed_column_and_one_of_its_new_name_serve_one_field_and_the_latter_wins() {
    let mut config = DocumentConfig {
        template: Some("{{ id }}".into()),
        ..DocumentConfig::default()
    };
    config.payload.include = vec!["title".into(), "name".into()];
    config.payload.rename = [("title".to_owned(), "name".to_owned())].into();
    let name_of = |config: &DocumentConfig, columns: &[(&str, &str)]| {
        let mut row_ = vec![("id", Value::Int(1))];
        row_.extend(columns.iter().map(|(name, value)| (*name, text(value))));
        let document = build(config, &row(&row_))?;
        let fields = document.payload.fields().iter();
        let names: Vec<_> = fields.filter(|(name, _)| **name == *"name").collect();
        assert_eq!(names.len(), 1, "one value");
        Ok::<_, Failure>(names.first().map(|(_, value)| value.clone()))
    };
    for _ in 0..2 {
        assert_eq!(name_of(&config, &[("title", "old")]), Ok(Some(text("old"))));
        assert_eq!(name_of(&config, &[("name", "new")]), Ok(Some(text("new"))));
        for both in [
            [("title", "old"), ("name", "new")],
            [("name", "new"), ("title", "old")],
        ] {
            assert_eq!(name_of(&config, &both), Ok(Some(text("new"))));
        }
        config.payload.include.clear();
    }
    config.payload.include = vec!["title".into(), "name".into()];
    let failure = name_of(&config, &[]).unwrap_err();
    assert!(
        failure
            .message
            .starts_with("column `title` or `name` is missing")
    );
}

#[test]
fn an_unavailable_column_is_refused_by_name_unless_nothing_needs_it() {
    let row = with(&tent(), "description", &Value::Unavailable);
    let mut config = DocumentConfig::default();
    let failure = build(&config, &row).unwrap_err();
    assert_eq!(failure.reason, "unavailable_value");
    assert!(failure.message.contains("`description`"), "{failure}");
    config.columns.description = None;
    config.payload.exclude = vec!["description".into()];
    assert!(build(&config, &row).is_ok());
}

#[test]
fn an_unavailable_column_is_completed_from_an_earlier_document() {
    let mut config = DocumentConfig::default();
    config.payload.exclude = vec!["category".into()];
    config.payload.rename = [("description".to_owned(), "about".to_owned())].into();
    let mut builder = DocumentBuilder::new(&config, None).unwrap();
    let key = RowKey::from_canonical("[1]");
    let earlier = builder
        .build_with_text(&key, &with(&tent(), "description", &text("two-person")))
        .unwrap();
    let mut row = with(&tent(), "stock", &Value::Int(2));
    for column in ["category", "description"] {
        row = with(&row, column, &Value::Unavailable);
    }
    assert_eq!(builder.unavailable(&row).count(), 2);
    builder.complete(&mut row, &earlier.payload, &earlier.source_columns);
    let completed = builder.build_with_text(&key, &row).unwrap();
    assert_eq!(completed.text_hash, earlier.text_hash);
    assert_eq!(completed.payload.get("about"), Some(&text("two-person")));
    assert_eq!(completed.payload.get("stock"), Some(&Value::Int(2)));
}

#[test]
fn a_row_that_makes_no_text_is_refused() {
    let mut bare = tent();
    for column in ["title", "category"] {
        bare = with(&bare, column, &Value::Null);
    }
    let failure = build(&DocumentConfig::default(), &bare).unwrap_err();
    assert_eq!(failure.reason, "empty_text");
}

#[test]
fn an_empty_column_has_no_line_in_the_default_text_and_says_as_little_as_null() {
    let mut bare = with(&tent(), "category", &text(" "));
    let document = build(&DocumentConfig::default(), &bare).unwrap();
    assert_eq!(&*document.text, "Product: Tent");
    bare = with(&bare, "title", &text(""));
    let failure = build(&DocumentConfig::default(), &bare).unwrap_err();
    assert_eq!(failure.reason, "empty_text");
    let mut config = DocumentConfig::default();
    config.columns.price = Some("stock".into());
    let document = build(&config, &with(&bare, "stock", &Value::Int(0))).unwrap();
    assert_eq!(&*document.text, "Price: 0");
}

#[test]
fn a_template_may_name_any_column() {
    let config = DocumentConfig {
        template: Some("{{ title }} ({{ stock }} left) {{ product|upper }}".into()),
        ..DocumentConfig::default()
    };
    let document = build(&config, &tent()).unwrap();
    assert_eq!(&*document.text, "Tent (3 left) TENT");
}

#[test]
fn columns_of_the_text_that_the_payload_leaves_out_are_kept_apart() {
    let mut config = DocumentConfig::default();
    config.payload.exclude = vec!["category".into()];
    let document = build(&config, &tent()).unwrap();
    assert_eq!(document.payload.get("category"), None);
    assert_eq!(
        document.source_columns.get("category"),
        Some(&text("camping"))
    );
    assert_eq!(document.source_columns.get("title"), None);
}

#[test]
fn the_payload_can_be_narrowed_and_renamed() {
    let mut config = DocumentConfig::default();
    config.payload.include = vec!["title".into(), "price".into()];
    config.payload.rename = [("price".to_owned(), "price_eur".to_owned())].into();
    let document = build(&config, &tent()).unwrap();
    let names: Vec<&str> = document
        .payload
        .fields()
        .iter()
        .map(|(name, _)| &**name)
        .collect();
    assert_eq!(names, ["price_eur", "title"]);
}

#[test]
fn equal_text_of_different_types_hashes_differently() {
    let config = DocumentConfig::default();
    let number = build(&config, &with(&tent(), "stock", &Value::Int(3))).unwrap();
    let string = build(&config, &with(&tent(), "stock", &text("3"))).unwrap();
    assert_ne!(number.payload_hash, string.payload_hash);
}
